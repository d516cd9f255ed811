"""Months of predictions and outcomes: on PostgreSQL a partition each, made when first needed and dropped at once."""

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from data_api.crud import locks
from data_api.ids import first_at, time_of
from data_api.models import Outcome, Prediction

TABLES = (Prediction, Outcome)
PATIENCE = "10s"  # that dropping waits for those who read; everybody else would wait behind it


def ensure(session: Session, table: type[Prediction | Outcome], ids: Iterable[UUID]) -> None:
    """Makes the partitions that these ids belong to, where there are partitions and these are missing."""
    if not _partitioned(session):
        return
    months = {_first(time_of(found)) for found in ids}
    names = {_name(table, month): month for month in sorted(months)}
    for name in _missing(session, names):
        locks.hold(session)
        low, high = first_at(names[name]), first_at(_next(names[name]))
        session.execute(
            text(
                f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF {table.__tablename__} "
                f"FOR VALUES FROM ('{low}') TO ('{high}')"
            )
        )


def drop(session: Session, month: datetime) -> dict[str, int]:
    """Removes a month of ids for good, and says how many rows of each table that were."""
    dropped = {}
    for table in TABLES:
        of_month = (table.prediction_id >= first_at(month), table.prediction_id < first_at(_next(month)))
        dropped[table.__tablename__] = session.scalars(select(func.count()).select_from(table).where(*of_month)).one()
        if _partitioned(session):
            session.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE}'"))
            session.execute(text(f"DROP TABLE IF EXISTS {_name(table, month)}"))
        else:
            session.execute(delete(table).where(*of_month))
    return dropped


def _missing(session: Session, names: Iterable[str]) -> list[str]:
    return [name for name in names if session.scalar(select(func.to_regclass(name))) is None]


def _partitioned(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def _name(table: type[Prediction | Outcome], month: datetime) -> str:
    return f"{table.__tablename__}_{month:%Y_%m}"


def _first(time: datetime) -> datetime:
    return datetime(time.year, time.month, 1, tzinfo=UTC)


def _next(month: datetime) -> datetime:
    return datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)
