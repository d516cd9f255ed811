"""Queries of predictions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, inspect, select
from sqlalchemy.orm import Session

from data_api.database import bulk_insert, partitions
from data_api.database.uuid7 import first_at
from data_api.models import Outcome, Prediction
from data_api.schemas.queries import PredictionQuery

COLUMNS = tuple(column.key for column in inspect(Prediction).columns if column.key != "received_at")


def record(session: Session, rows: Sequence[bulk_insert.Row], now: datetime) -> int:
    """Records rows and returns how many are new; raises ContentDiffers if an id is recorded with other content.

    The first official prediction of an id stands, whatever another replica or a later model says of the same moment.
    """
    partitions.ensure(session, Prediction, [row["prediction_id"] for row in rows])
    new = bulk_insert.insert(session, Prediction, [{**row, "received_at": now} for row in rows])
    if new < len(rows):
        bulk_insert.check_stored(session, Prediction, rows, lambda row: () if row["official"] else COLUMNS, "Prediction")
    return new


def list_page(session: Session, query: PredictionQuery, after: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Up to ``limit`` predictions beyond the id ``after``, in the order of the query, each with its outcome."""
    key, newest_first = Prediction.prediction_id, query.order == "newest"
    statement = select(*(getattr(Prediction, name) for name in COLUMNS)).where(*_conditions(query))
    if after is not None:
        statement = statement.where(key < after if newest_first else key > after)
    ordered = statement.order_by(key.desc() if newest_first else key).limit(limit)
    rows = [dict(row) for row in session.execute(ordered).mappings()]
    outcomes = _outcomes(session, [row["prediction_id"] for row in rows])
    return [{**row, "outcome": outcomes.get(row["prediction_id"])} for row in rows]


def _outcomes(session: Session, ids: Sequence[UUID]) -> dict[UUID, bool]:
    """The outcomes that are known; the bounds let PostgreSQL skip all other months."""
    if not ids:
        return {}
    statement = select(Outcome.prediction_id, Outcome.outcome).where(
        Outcome.prediction_id.between(min(ids), max(ids)), Outcome.prediction_id.in_(ids)
    )
    return {row.prediction_id: row.outcome for row in session.execute(statement)}


def _conditions(query: PredictionQuery) -> list[ColumnElement[bool]]:
    conditions = []
    if query.since is not None:
        conditions.append(Prediction.prediction_id >= first_at(query.since))
    if query.until is not None:
        conditions.append(Prediction.prediction_id < first_at(query.until))
    if query.model_version is not None:
        conditions.append(Prediction.model_version == query.model_version)
    if query.label is not None:
        conditions.append(Prediction.label.is_(query.label))
    if query.subject is not None:
        conditions.append(Prediction.subject == query.subject)
    if query.official is not None:
        conditions.append(Prediction.official == query.official)
    return conditions
