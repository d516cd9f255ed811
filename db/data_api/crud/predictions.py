"""Queries of predictions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, inspect, select
from sqlalchemy.orm import Session

from data_api.database import bulk_insert, partitions
from data_api.database.uuid7 import first_at
from data_api.errors import ContentDiffers
from data_api.models import Outcome, Prediction

COLUMNS = tuple(column.key for column in inspect(Prediction).columns if column.key != "received_at")


@dataclass(frozen=True)
class Filter:
    """Which predictions: by the time inside their id (``until`` excluded), and by content."""

    since: datetime | None = None
    until: datetime | None = None
    model_version: str | None = None
    label: bool | None = None


def record(session: Session, rows: Sequence[bulk_insert.Row], now: datetime) -> int:
    """Records rows, and says how many are new; raises ContentDiffers where an id is known with other content."""
    partitions.ensure(session, Prediction, [row["prediction_id"] for row in rows])
    new = bulk_insert.insert(session, Prediction, [{**row, "received_at": now} for row in rows])
    if new < len(rows):
        asked = select(*(getattr(Prediction, name) for name in COLUMNS)).where(
            Prediction.prediction_id.in_([row["prediction_id"] for row in rows])
        )
        stored = {row["prediction_id"]: dict(row) for row in session.execute(asked).mappings()}
        if different := bulk_insert.differing(Prediction, rows, stored, lambda _: COLUMNS):
            raise ContentDiffers("prediction", different)
    return new


def page(session: Session, wanted: Filter, newest: bool, after: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Up to ``limit`` predictions beyond the id ``after``, in the order of their ids, each with its outcome."""
    asked = select(*(getattr(Prediction, name) for name in COLUMNS)).where(*_conditions(wanted))
    if after is not None:
        asked = asked.where(Prediction.prediction_id < after if newest else Prediction.prediction_id > after)
    key = Prediction.prediction_id
    rows = [dict(row) for row in session.execute(asked.order_by(key.desc() if newest else key).limit(limit)).mappings()]
    known = _outcomes(session, [row["prediction_id"] for row in rows])
    return [{**row, "outcome": known.get(row["prediction_id"])} for row in rows]


def _outcomes(session: Session, ids: Sequence[UUID]) -> dict[UUID, bool]:
    """The outcomes that are known; the bounds let PostgreSQL leave out all other months."""
    if not ids:
        return {}
    found = session.execute(
        select(Outcome.prediction_id, Outcome.outcome).where(
            Outcome.prediction_id.between(min(ids), max(ids)), Outcome.prediction_id.in_(ids)
        )
    )
    return {row.prediction_id: row.outcome for row in found}


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    found = []
    if wanted.since is not None:
        found.append(Prediction.prediction_id >= first_at(wanted.since))
    if wanted.until is not None:
        found.append(Prediction.prediction_id < first_at(wanted.until))
    if wanted.model_version is not None:
        found.append(Prediction.model_version == wanted.model_version)
    if wanted.label is not None:
        found.append(Prediction.label.is_(wanted.label))
    return found
