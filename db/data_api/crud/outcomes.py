"""Queries of outcomes."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from data_api.database import bulk_insert, partitions
from data_api.models import Outcome


def record(session: Session, rows: Sequence[bulk_insert.Row], now: datetime) -> set[UUID]:
    """Records rows and returns the new ids; raises ContentDiffers if an id is recorded with another outcome.

    The time of a row without one is the time at which it arrived.
    """
    ids = {row["prediction_id"] for row in rows}
    partitions.ensure(session, Outcome, ids)
    new = bulk_insert.insert(session, Outcome, [{**row, "time": row.get("time") or now, "received_at": now} for row in rows])
    if new == len(rows):
        return ids
    stored = bulk_insert.check_stored(session, Outcome, rows, _compared_columns, "The outcome of")
    return {prediction_id for prediction_id, row in stored.items() if row["received_at"] == now}


def _compared_columns(row: bulk_insert.Row) -> tuple[str, ...]:
    return ("outcome", "time") if row.get("time") else ("outcome",)
