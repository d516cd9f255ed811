"""Queries of outcomes."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from data_api.database import bulk_insert, partitions
from data_api.errors import ContentDiffers
from data_api.models import Outcome


def record(session: Session, rows: Sequence[bulk_insert.Row], now: datetime) -> set[UUID]:
    """Records rows, and gives the ids that are new; raises ContentDiffers where an id is known with another outcome.

    Where a row has no time, it is when the outcome arrived.
    """
    ids = {row["prediction_id"] for row in rows}
    partitions.ensure(session, Outcome, ids)
    new = bulk_insert.insert(session, Outcome, [{**row, "time": row["time"] or now, "received_at": now} for row in rows])
    if new == len(rows):
        return ids
    asked = select(Outcome.prediction_id, Outcome.outcome, Outcome.time, Outcome.received_at).where(
        Outcome.prediction_id.in_(ids)
    )
    stored = {row["prediction_id"]: dict(row) for row in session.execute(asked).mappings()}
    if different := bulk_insert.differing(Outcome, rows, stored, _compared):
        raise ContentDiffers("the outcome of", different)
    return {found for found, row in stored.items() if row["received_at"] == now}


def _compared(row: bulk_insert.Row) -> tuple[str, ...]:
    return ("outcome", "time") if row["time"] else ("outcome",)
