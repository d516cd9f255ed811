"""Alembic's environment: one migration at a time, each in a transaction, on SQLite and on PostgreSQL."""

import re
from typing import Any

from alembic import context
from sqlalchemy import Connection

from data_api import settings
from data_api.database.engine import create_engine_for
from data_api.database.migrations_runner import hold
from data_api.models import Base

PARTITION = re.compile(r"(predictions|outcomes|events)_\d{4}_\d{2}")


def ours(name: str | None, kind: str, _parents: Any) -> bool:
    """Whether autogenerate looks at a table; months of a table are not of the models."""
    return not (kind == "table" and name and PARTITION.fullmatch(name))


def run(connection: Connection) -> None:
    """Runs what was asked; other replicas that start meanwhile wait, and then find nothing to do."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_name=ours,
        compare_type=True,
        render_as_batch=True,
        transactional_ddl=True,  # for SQLite, whose transactions hold DDL too once they begin as they should
    )
    with context.begin_transaction():
        hold(connection)
        context.run_migrations()


if context.is_offline_mode():
    context.configure(url=settings.parse().url, target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
elif connection := context.config.attributes.get("connection"):
    run(connection)
else:
    with create_engine_for(settings.parse().url).connect() as opened:
        run(opened)
        opened.commit()
