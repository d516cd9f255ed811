"""Queries of the event log."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import ColumnElement, Text, cast, func, select, update
from sqlalchemy.orm import Session

from data_api.database import bulk_insert, partitions
from data_api.database.uuid7 import MILLISECOND, first_at, time_of
from data_api.models import Event, LastPosition, ModelVersion
from data_api.schemas.events import EventCreate, KnownPeriod, Watermark
from data_api.schemas.queries import EventQuery


def declared_tables(session: Session) -> bytes | None:
    """The source tables of the model that was reported last, as JSON; None if it takes no events, or there is none."""
    newest = select(ModelVersion.tables).order_by(ModelVersion.updated_at.desc(), ModelVersion.model_version).limit(1)
    tables: Mapping[str, Any] | None = session.scalars(newest).first()
    return to_json(tables) if tables else None


def is_model_reported(session: Session) -> bool:
    """Whether a prediction service has ever reported its model."""
    return session.scalar(select(ModelVersion.model_version).limit(1)) is not None


def append(session: Session, by_id: Mapping[UUID, EventCreate], now: datetime) -> int:
    """Appends events in their order and returns how many are new.

    A reader who has seen a position has seen all before it, for ever: every writer updates one row, which keeps it until it
    commits, so that positions become visible in their order.
    """
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


def watermark(session: Session) -> Watermark:
    """How far the log reaches."""
    tables = {
        table: KnownPeriod(
            first_known_at=_extreme_known_at(session, table), watermark=_extreme_known_at(session, table, newest=True)
        )
        for table in _tables(session)
    }
    return Watermark(
        position=session.scalar(select(func.max(Event.position))),
        watermark=max((period.watermark for period in tables.values()), default=None),
        first_known_at=min((period.first_known_at for period in tables.values()), default=None),
        tables=tables,
    )


def _tables(session: Session) -> Iterator[str]:
    """The tables that have events, each found by one look into an index."""
    name = session.scalar(select(func.min(Event.table_name)))
    while name is not None:
        yield name
        name = session.scalar(select(func.min(Event.table_name)).where(Event.table_name > name))


def _extreme_known_at(session: Session, table: str, newest: bool = False) -> datetime:
    """The oldest ``known_at`` of a table that has events, or the newest.

    The index gives the id at that end, and ids tell the moment to the millisecond.
    """
    of_table, row_id = Event.table_name == table, Event.event_id
    at_end, extreme = (row_id.desc(), func.max) if newest else (row_id, func.min)
    moment = time_of(session.scalars(select(row_id).where(of_table).order_by(at_end).limit(1)).one())
    # Both bounds, because without statistics PostgreSQL reads the whole table for one.
    of_millisecond = (row_id >= first_at(moment), row_id < first_at(moment + MILLISECOND))
    return session.scalars(select(extreme(Event.known_at)).where(of_table, *of_millisecond)).one()


def lines_after(session: Session, query: EventQuery) -> list[bytes]:
    """The events beyond the position ``query.after``, in the order of positions, each as a line of JSON.

    Keys and values are passed on as they are stored: to decode and encode them took most of the time.
    """
    columns = (
        Event.position,
        Event.event_id,
        Event.table_name,
        Event.known_at,
        cast(Event.key, Text),
        cast(Event.changes, Text),
    )
    ordered = select(*columns).where(*_conditions(query)).order_by(Event.position).limit(query.limit)
    names: dict[str, str] = defaultdict(str)
    lines = []
    for position, row_id, table, known_at, key, values in session.execute(ordered):
        name = names[table] = names[table] or to_json(table).decode()
        line = (
            f'{{"position":{position},"event_id":"{row_id}","table":{name},"key":{key},'
            f'"known_at":"{known_at.isoformat()[:-6]}Z","values":{values}}}\n'
        )
        lines.append(line.encode())
    return lines


def _conditions(query: EventQuery) -> list[ColumnElement[bool]]:
    conditions = [Event.position > query.after]
    if query.table is not None:
        conditions.append(Event.table_name == query.table)
    if query.since is not None:
        conditions.append(Event.event_id >= first_at(query.since))
    if query.until is not None:
        conditions.append(Event.event_id < first_at(query.until))
    return conditions
