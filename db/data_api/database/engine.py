"""The engine and its transactions. SQLite behaves as PostgreSQL does: real transactions, foreign keys, writers that wait."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from data_api.errors import DatabaseBusy, DatabaseForeign, DatabaseUnavailable, StatementTooLong

# A host that vanishes says nothing. Its connections count as dead within about ten seconds, not after a quarter of an hour:
# whether we wait for an answer (the first three) or it should have taken what we sent (the last).
LIVELINESS = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
CONNECT_SECONDS, POOL_SECONDS, BUSY_SECONDS = 3, 5, 30
# What PostgreSQL says when it cannot write now, though it answers: it recovers, or has become a replica.
PASSING = {"25006", "57P01", "57P02", "57P03", "40001", "40P01"}
# A user who was just removed, a month that another replica just dropped, and tables that are being restored.
IN_TRANSITION = {"23503", "23514", "42P01"}
CANCELLED, DUPLICATE, FORBIDDEN = "57014", "23505", "42501"
# No row in a log, and JSON that is small and read fast.
SHARED: dict[str, Any] = {
    "hide_parameters": True,
    "json_serializer": lambda value: to_json(value).decode(),
    "json_deserializer": from_json,
}
MAGIC = b"SQLite format 3\0"  # with which a file of SQLite begins
SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def create_engine_for(url: str, pool_size: int = 10, statement_seconds: float = 30.0) -> Engine:
    """An engine that connects when it is first used, and notices when connections have died."""
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        return _sqlite(url, pool_size)
    options = f"-c statement_timeout={int(statement_seconds * 1000)} -c timezone=UTC"
    return create_engine(
        address.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        pool_pre_ping=True,
        **SHARED,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "options": options,
            "application_name": "data_api",
            **LIVELINESS,
        },
    )


def _sqlite(url: str, pool_size: int) -> Engine:
    database = make_url(url).database
    if database and database != ":memory:":
        Path(database).parent.mkdir(parents=True, exist_ok=True)
        _refuse_other_file(Path(database))
    arguments = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    pool: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": POOL_SECONDS}
    engine = create_engine(url, connect_args=arguments, **SHARED, **({} if database in (None, "", ":memory:") else pool))

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver's own idea of transactions would leave out DDL
        # A larger page holds several predictions; it counts for a new file alone.
        for setting in ("page_size=8192", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {setting}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _refuse_other_file(path: Path) -> None:
    if path.is_file() and os.access(path, os.R_OK):
        with path.open("rb") as file:
            begin = file.read(len(MAGIC))
        if begin and begin != MAGIC:
            raise DatabaseForeign(f"DATABASE_URL should name a SQLite file; {path} is none. Name another, or a new one.")


@contextmanager
def transaction(engine: Engine, reads: bool = False) -> Iterator[Session]:
    """A session that commits when the block ends, and rolls back where it fails; one that reads sees a single moment.

    Raises DatabaseUnavailable where the database does not answer, StatementTooLong where it gave up a question.
    """
    try:
        options = (SNAPSHOT if engine.dialect.name == "postgresql" else {"reads": True}) if reads else {}
        with Session(engine.execution_options(**options), expire_on_commit=False) as session, session.begin():
            yield session
    except (DBAPIError, PoolTimeout) as error:
        raise translate_error(error, reads) from error


def translate_error(error: DBAPIError | PoolTimeout, reads: bool = False) -> Exception:
    """What a failure of the database means: DatabaseUnavailable, StatementTooLong, or itself.

    Whoever asked too much can ask for less. Whoever writes is not at fault where others are in the way, and comes again.
    """
    if isinstance(error, PoolTimeout):
        return DatabaseBusy(DatabaseBusy.told)
    state = getattr(error.orig, "sqlstate", None)
    if state == CANCELLED and reads:
        return StatementTooLong(
            "The question took longer than STATEMENT_SECONDS allows. Ask for a shorter time, or for fewer rows at once."
        )
    if (
        error.connection_invalidated
        or state in PASSING | IN_TRANSITION | {CANCELLED}
        or isinstance(error, OperationalError | InterfaceError)
    ):
        lines = str(error.orig).splitlines() or [type(error.orig).__name__]
        return DatabaseUnavailable(f"the database does not answer: {lines[0]}")
    return error


def is_duplicate(error: IntegrityError) -> bool:
    """Whether something else has the same value where each may be there once."""
    if isinstance(error.orig, sqlite3.Error):
        return error.orig.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_UNIQUE
    return getattr(error.orig, "sqlstate", None) == DUPLICATE


def after_commit(session: Session, work: Callable[[], object]) -> None:
    """Does something once the transaction is committed, and not at all where it fails."""
    event.listen(session, "after_commit", lambda _session: work(), once=True)
