"""Migrates the database to the schema of this version, under a lock, so that several replicas may start together."""

import warnings
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import ProgrammingError

from data_api.database.engine import transaction
from data_api.errors import DatabaseForeign, MigrationsInvalid
from data_api.models import Base

FOLDER = Path(__file__).parents[1] / "migrations"
LOCK = 7_241_001  # any number that nothing else locks in this database
FORBIDDEN, NO_SCHEMA = "42501", "3F000"


def upgrade(engine: Engine) -> None:
    """Runs the missing migrations.

    Raises DatabaseUnavailable, MigrationsInvalid, or DatabaseForeign if the database has tables of other programs.
    """
    newest, config = head(), Config()
    config.set_main_option("script_location", str(FOLDER))
    try:
        with transaction(engine) as session:
            config.attributes["connection"] = connection = session.connection()
            hold(connection)
            _refuse_foreign(connection)
            command.upgrade(config, newest)
    except ProgrammingError as error:
        state = getattr(error.orig, "sqlstate", None)
        if state == NO_SCHEMA:
            raise DatabaseForeign(
                "The search_path of the user of DATABASE_URL should name a schema that is there; it names none. "
                "Make the schema, or set the path: ALTER ROLE ... SET search_path = public."
            ) from error
        if state != FORBIDDEN:
            raise
        raise DatabaseForeign(
            f"The user of DATABASE_URL should be allowed to make tables; the database says {error.orig}. "
            "Grant it CREATE on the schema, or name another user."
        ) from error


def refuse_other(engine: Engine) -> None:
    """Raises DatabaseForeign if the database is not at the schema of this version, and DatabaseUnavailable."""
    with transaction(engine, reads=True) as session:
        current = revision(session.connection())
    if current != head():
        raise DatabaseForeign(
            f"The database should be at revision {head()}; it is at {current or 'none'}. "
            "`python -m data_api migrate` brings it there."
        )


def hold(connection: Connection) -> None:
    """Waits, without a time limit, until no other replica migrates; on SQLite the transaction does this."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")


def revision(connection: Connection) -> str | None:
    """The revision of the database, or None if it has none."""
    return ", ".join(sorted(MigrationContext.configure(connection).get_current_heads())) or None


@cache
def head() -> str:
    """The newest revision of this version of the service; raises MigrationsInvalid."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # of a revision that is there twice, or that another one lacks
            heads = _scripts().get_heads()
    except (UserWarning, CommandError, RevisionError, KeyError) as error:
        raise MigrationsInvalid(f"The migrations in {FOLDER} should follow each other; {str(error).rstrip('.')}.") from error
    if len(heads) != 1:
        raise MigrationsInvalid(
            f"The migrations in {FOLDER} should end in one revision; they end in {' and '.join(sorted(heads)) or 'none'}. "
            "Let one of them follow the other: give it the other's revision as its down_revision."
        )
    return str(heads[0])


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(FOLDER))


def _refuse_foreign(connection: Connection) -> None:
    current = revision(connection)
    if current is None:
        if tables := sorted(set(inspect(connection).get_table_names()) & set(Base.metadata.tables)):
            raise DatabaseForeign(
                f"The database should be empty or made by the migrations; it has a table {tables[0]!r} that they did not "
                "make. Set DATABASE_URL to another database."
            )
    elif current not in {script.revision for script in _scripts().walk_revisions()}:
        raise DatabaseForeign(
            f"The database should be at a revision up to {head()}, which this version knows; it is at {current!r}. "
            "It is of a newer version of the service, or of another program. Start that one, or set DATABASE_URL."
        )
