"""Queries of the event log."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic_core import to_json
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from data_api.database import bulk_insert, partitions
from data_api.database.uuid7 import first_at
from data_api.models import Event, LastPosition, ModelVersion
from data_api.schemas.events import EventCreate, event_id
from data_api.schemas.queries import EventQuery


def declared_tables(session: Session) -> bytes | None:
    """The source tables of the model that was reported last, as JSON; None if it takes no events, or there is none."""
    newest = select(ModelVersion.tables).order_by(ModelVersion.updated_at.desc(), ModelVersion.model_version).limit(1)
    tables: Mapping[str, Any] | None = session.scalars(newest).first()
    return to_json(tables) if tables else None


def append(session: Session, events: Sequence[EventCreate], now: datetime) -> int:
    """Appends events in their order and returns how many are new.

    A reader who has seen a position has seen all before it, for ever: every writer updates one row, which keeps it until it
    commits, so that positions become visible in their order.
    """
    by_id = {event_id(event): event for event in events}
    partitions.ensure(session, Event, by_id)
    taken = update(LastPosition).values(last=LastPosition.last + len(by_id)).returning(LastPosition.last)
    first = session.execute(taken).scalar_one() - len(by_id) + 1
    rows = [
        {
            "event_id": row_id, "position": position, "table_name": event["table"], "key": event["key"],
            "changes": event["values"], "known_at": event["known_at"], "received_at": now,
        }
        for position, (row_id, event) in enumerate(by_id.items(), first)
    ]  # fmt: skip
    return bulk_insert.insert(session, Event, rows)


def list_after(session: Session, query: EventQuery, limit: int) -> list[dict[str, Any]]:
    """Up to ``limit`` events beyond the position ``query.after``, in the order of positions."""
    conditions = [Event.position > query.after]
    if query.table is not None:
        conditions.append(Event.table_name == query.table)
    if query.since is not None:
        conditions.append(Event.event_id >= first_at(query.since))
    if query.until is not None:
        conditions.append(Event.event_id < first_at(query.until))
    columns = {
        "position": Event.position, "event_id": Event.event_id, "table": Event.table_name, "key": Event.key,
        "known_at": Event.known_at, "values": Event.changes,
    }  # fmt: skip
    statement = select(*(column.label(name) for name, column in columns.items()))
    rows = session.execute(statement.where(*conditions).order_by(Event.position).limit(limit))
    return [dict(row) for row in rows.mappings()]
