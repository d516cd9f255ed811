"""Monthly partitions of predictions, outcomes and events on PostgreSQL: created when first needed, dropped in one step."""

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from data_api.database import advisory_lock
from data_api.database.uuid7 import first_at, time_of
from data_api.models import Event, Outcome, Prediction

Partitioned = type[Prediction | Outcome | Event]
TABLES: tuple[Partitioned, ...] = (Prediction, Outcome, Event)
CREATE_TIMEOUT = "5s"  # to wait for other changes of the table, such as VACUUM
DROP_TIMEOUT = "10s"  # to wait for readers; while it waits, all other requests wait behind it


def ensure(session: Session, table: Partitioned, ids: Iterable[UUID]) -> None:
    """Creates the missing partitions for these ids, if the database has partitions.

    A partition is created as a table and then attached, which waits for no reader and no writer. `PARTITION OF` would wait
    for all of them, even for a backup of hours, and all other requests would wait behind it.
    """
    if not _partitioned(session):
        return
    months = {_name(table, month): month for month in sorted({_first(time_of(row_id)) for row_id in ids})}
    if not _missing(session, table, months):
        return
    session.execute(text(f"SET LOCAL lock_timeout = '{CREATE_TIMEOUT}'"))
    advisory_lock.acquire(session)
    for name in _missing(session, table, months):  # another replica may have created it meanwhile
        low, high = first_at(months[name]), first_at(_next(months[name]))
        session.execute(text(f"CREATE TABLE {name} (LIKE {table.__tablename__} INCLUDING ALL)"))
        session.execute(
            text(f"ALTER TABLE {table.__tablename__} ATTACH PARTITION {name} FOR VALUES FROM ('{low}') TO ('{high}')")
        )
    session.execute(text("SET LOCAL lock_timeout TO DEFAULT"))


def create_ahead(session: Session, now: datetime) -> None:
    """Creates the partitions of this month and the next one, so that no request has to."""
    for table in TABLES:
        ensure(session, table, [first_at(now), first_at(_next(_first(now)))])


def drop(session: Session, month: datetime) -> dict[str, int]:
    """Removes the rows of a month for good, and returns how many these were by table."""
    low, high = first_at(month), first_at(_next(month))
    ids = {table: table.__mapper__.primary_key[0] for table in TABLES}
    months = {table: (row_id >= low, row_id < high) for table, row_id in ids.items()}
    rows = {
        table.__tablename__: session.scalars(select(func.count()).select_from(table).where(*of_month)).one()
        for table, of_month in months.items()
    }
    if _partitioned(session):  # all tables in one statement, after counting: from here on other requests wait
        session.execute(text(f"SET LOCAL lock_timeout = '{DROP_TIMEOUT}'"))
        session.execute(text(f"DROP TABLE IF EXISTS {', '.join(_name(table, month) for table in TABLES)}"))
    else:
        for table, of_month in months.items():
            session.execute(delete(table).where(*of_month))
    return rows


def _missing(session: Session, table: Partitioned, names: Iterable[str]) -> list[str]:
    """The names that are no attached partition, from the catalogue itself: `to_regclass` may have cached their absence."""
    attached = text("SELECT relname FROM pg_class JOIN pg_inherits ON oid = inhrelid WHERE inhparent = to_regclass(:parent)")
    existing = set(session.scalars(attached, {"parent": table.__tablename__}))
    return [name for name in names if name not in existing]


def _partitioned(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def _name(table: Partitioned, month: datetime) -> str:
    return f"{table.__tablename__}_{month:%Y_%m}"


def _first(time: datetime) -> datetime:
    return datetime(time.year, time.month, 1, tzinfo=UTC)


def _next(month: datetime) -> datetime:
    return datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)
