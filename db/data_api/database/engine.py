"""The engine and its transactions. SQLite is set up to behave like PostgreSQL: transactions, foreign keys, waiting locks."""

import math
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from data_api.errors import DatabaseBusy, DatabaseForeign, DatabaseReadOnly, DatabaseUnavailable, StatementTooLong
from data_api.models import Base
from service_kit.addresses import without_credentials
from service_kit.problems import ProblemError

# If the host of the database disappears, its connections count as dead after about ten seconds instead of a quarter of an
# hour: while we wait for an answer (the first three), and while data that we sent is not acknowledged (the last).
KEEPALIVE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
POOL_SECONDS, BUSY_SECONDS = 5, 30
# A connection pooler (PgBouncer) may give each transaction to another server process: nothing may last longer than one.
# So settings are those of the transaction, and no statement is prepared.
CONNECT_ARGUMENTS = {
    "connect_timeout": 3,
    "application_name": "data_api",
    "client_encoding": "utf8",
    "prepare_threshold": None,
    **KEEPALIVE,
}
READ_ONLY = "25006"
# Errors of a PostgreSQL that answers but cannot work now: it is starting or stopping, or others were in the way.
TEMPORARY = {"57P01", "57P02", "57P03", "40001", "40P01"}
# A user was just removed, another replica just dropped a month, or tables are being restored.
IN_TRANSITION = {"23503", "23514", "42P01"}
CANCELLED = "57014"
DUPLICATE = {"23505", sqlite3.SQLITE_CONSTRAINT_UNIQUE}
# Logs show no rows; JSON is compact and fast to read.
ENGINE_OPTIONS: dict[str, Any] = {
    "hide_parameters": True,
    "json_serializer": lambda value: to_json(value).decode(),
    "json_deserializer": from_json,
}
MAGIC = b"SQLite format 3\0"  # the first bytes of each SQLite file
SNAPSHOT = {"isolation_level": "REPEATABLE READ"}


def create_engine_for(url: str, pool_size: int = 10, statement_seconds: float = 30.0) -> Engine:
    """An engine that connects when it is first used, and replaces dead connections."""
    address = make_url(url)
    pool = {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": POOL_SECONDS}
    if address.get_backend_name() == "sqlite":
        return _sqlite(address, pool)
    postgresql_address = address.set(drivername="postgresql+psycopg")
    engine = create_engine(postgresql_address, pool_pre_ping=True, connect_args=CONNECT_ARGUMENTS, **pool, **ENGINE_OPTIONS)
    statement_milliseconds = math.ceil(statement_seconds * 1000)
    settings = (
        f"SET LOCAL statement_timeout = {statement_milliseconds}; SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'"
    )

    @event.listens_for(engine, "connect")
    def refuse_other_encoding(connection: Any, _record: Any) -> None:
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise DatabaseForeign(
                f"The database of DATABASE_URL should have the encoding UTF8; it has {encoding}. Make one with "
                "CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0, and name it in DATABASE_URL."
            )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # postgresql_readonly would make later transactions of the connection READ WRITE, in a read-only database too.
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql(f"{settings}; SET LOCAL transaction_read_only = on" if reads else settings)

    @event.listens_for(engine, "handle_error")
    def replace_read_only(context: Any) -> None:
        if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
            context.is_disconnect = True  # a connection keeps the setting that it began with

    return engine


def _sqlite(address: URL, pool: dict[str, Any]) -> Engine:
    path = Path(str(address.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _refuse_other_file(path)
        _keep_private(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DatabaseForeign(
            f"DATABASE_URL should name a SQLite file that this user may write; {path}: {reason}."
        ) from error
    arguments = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    engine = create_engine(address, connect_args=arguments, **pool, **ENGINE_OPTIONS)

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver's own transactions would not include DDL
        # A larger page holds several predictions; an existing file keeps its page size.
        for setting in ("page_size=8192", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {setting}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _keep_private(path: Path) -> None:
    """Lets nobody else read the file of a database; SQLite gives its own files beside it the same mode."""
    path.touch(mode=0o600)
    with suppress(PermissionError):  # the file belongs to somebody else, who decides
        path.chmod(0o600)


def _refuse_other_file(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise DatabaseForeign(f"DATABASE_URL should name a SQLite file; {path} is a folder or a device. Name a file in it.")
    if path.is_file() and os.access(path, os.R_OK):
        with path.open("rb") as file:
            start = file.read(len(MAGIC))
        if start and start != MAGIC:
            raise DatabaseForeign(f"DATABASE_URL should name a SQLite file; {path} is none. Name another, or a new one.")


@contextmanager
def transaction(engine: Engine, reads: bool = False) -> Iterator[Session]:
    """A session that commits when the block ends, and rolls back if it fails; with ``reads`` it is a read-only snapshot.

    Raises DatabaseUnavailable if the database does not answer or takes no writes, StatementTooLong if it cancelled a query.
    """
    try:
        options = SNAPSHOT if reads and engine.dialect.name == "postgresql" else {}
        with Session(engine.execution_options(reads=reads, **options), expire_on_commit=False) as session, session.begin():
            yield session
    except (DBAPIError, PoolTimeout) as error:
        raise translate_error(error, reads) from error


def translate_error(error: DBAPIError | PoolTimeout, reads: bool = False) -> Exception:
    """The error to raise for an error of the database: DatabaseUnavailable, StatementTooLong, or the same error.

    A cancelled read is the caller's to make smaller; a cancelled write waited for others, so the caller should retry it.
    """
    if isinstance(error, PoolTimeout):
        return DatabaseBusy(DatabaseBusy.public_message)
    state = getattr(error.orig, "sqlstate", None)
    if state == CANCELLED and reads:
        detail = "The query took longer than STATEMENT_SECONDS allows. Ask for a shorter time, or for fewer rows at once."
        return StatementTooLong(422, detail)
    if state == READ_ONLY:
        return DatabaseReadOnly(f"the database takes no writes: {error.orig}")
    if (
        error.connection_invalidated
        or state in TEMPORARY | IN_TRANSITION | {CANCELLED}
        or isinstance(error, OperationalError | InterfaceError)
    ):
        lines = str(error.orig).splitlines() or [type(error.orig).__name__]
        return DatabaseUnavailable(f"the database does not answer: {without_credentials(lines[0])}")
    return error


def is_read_only(connection: Connection) -> bool:
    """Whether the database would refuse a transaction that writes, beside which this one may be read-only itself."""
    if connection.dialect.name != "postgresql":
        return False
    question = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean"
    return bool(connection.exec_driver_sql(question).scalar_one())


def flush_unique(session: Session, message: str) -> None:
    """Sends changes to the database; raises ProblemError (409) with the message if they violate a unique constraint."""
    try:
        session.flush()
    except IntegrityError as error:
        code = getattr(error.orig, "sqlite_errorcode", None) or getattr(error.orig, "sqlstate", None)
        if code not in DUPLICATE:
            raise
        raise ProblemError(409, message) from error


def dialect_insert(session: Session, model: type[Base]) -> Any:
    """An INSERT into a table that may have an ON CONFLICT clause."""
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    return dialect.insert(model)


def after_commit(session: Session, work: Callable[[], object]) -> None:
    """Runs a function after the transaction is committed, and not if it fails."""
    event.listen(session, "after_commit", lambda _session: work(), once=True)
