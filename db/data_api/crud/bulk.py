"""Rows in bulk, each id once: what is new is recorded, what is known must be the same."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import JSON, Insert, Select, String, Table, column, func, literal, select
from sqlalchemy import cast as as_type
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from data_api.models import Base

Row = dict[str, Any]


def insert(session: Session, table: type[Base], rows: Sequence[Row]) -> int:
    """Inserts rows whose primary key is new, and says how many these were.

    They go in the order of their ids: neighbours on disk, and two requests that bring the same ids cannot wait for each
    other in a circle.
    """
    rows = sorted(rows, key=lambda row: row["prediction_id"])
    connection, target = session.connection(), cast("Table", table.__table__)
    statement: Insert
    if connection.dialect.name == "sqlite":
        statement = sqlite.insert(target).on_conflict_do_nothing()
        return connection.execute(statement, rows).rowcount
    statement = postgresql.insert(target).from_select(list(rows[0]), _document(target, rows)).on_conflict_do_nothing()
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount


def differing(
    rows: Iterable[Row], stored: Mapping[UUID, Row], compared: Callable[[Row], Iterable[str]]
) -> dict[UUID, list[str]]:
    """The ids whose stored row is unlike theirs, with the names of the fields that differ."""
    found = {}
    for row in rows:
        kept = stored[row["prediction_id"]]
        if fields := [name for name in compared(row) if row[name] != kept[name]]:
            found[row["prediction_id"]] = fields
    return found


def _document(table: Table, rows: Sequence[Row]) -> Select:
    """All rows as one JSON document that PostgreSQL takes apart: its driver writes a value at a time otherwise.

    What is JSON itself goes in as text, because the document's parser would stumble over an escaped NUL in it.
    """
    nested = [name for name in rows[0] if isinstance(table.c[name].type, JSON)]
    flat = [{**row, **{name: to_json(row[name]).decode() for name in nested}} for row in rows]
    columns = [column(name, String() if name in nested else table.c[name].type) for name in rows[0]]
    document = func.json_to_recordset(as_type(literal(to_json(flat).decode(), String), JSON))
    new = document.table_valued(*columns, name="new").render_derived(with_types=True)
    return select(*(as_type(new.c[name], JSON) if name in nested else new.c[name] for name in rows[0]))
