"""One at a time: what several replicas must not do together."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

LOCK = 7_241_002  # any number that nobody else locks in this database


def hold(session: Session) -> None:
    """Waits for the others, and keeps them waiting until this transaction ends; on SQLite a transaction that writes does."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(LOCK)))
