"""A lock for what replicas must do one at a time."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

LOCK = 7_241_002  # any number that nothing else locks in this database


def acquire(session: Session) -> None:
    """Waits for the lock, and keeps it until the transaction ends; on SQLite each writing transaction has it anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(LOCK)))
