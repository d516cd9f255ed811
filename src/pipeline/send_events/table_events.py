"""Rows of a source table as events: each row says at ``known_at`` which values its other columns took."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from pipeline.config.settings import Column, Data, RawTable
from pipeline.data import table_io
from pipeline.data.event_log import Event, row_values
from pipeline.support import console
from pipeline.support.errors import OntimeError, TableInvalid

KNOWN_AT = "known_at"


class TableUnknown(OntimeError):
    """No such table is declared, or it has no key, so that no event can name one of its rows."""


class NumberedEvent(NamedTuple):
    """An event, and the number of its row in the file, from 1."""

    row: int
    event: Event


@dataclass(frozen=True)
class DeclaredTable:
    """A declared source table whose rows are events: its name, its key and how its file is read, ``known_at`` included.

    Where ``known_at`` is given, all rows became known then, and the file needs no such column.
    """

    name: str
    key: Sequence[str]
    declared: RawTable
    known_at: datetime | None = None

    def read(self, path: Path) -> list[NumberedEvent]:
        """The events of a file in the order of ``known_at``. Raises TableInvalid."""
        table = table_io.read_source(path, self.declared)
        self._warn_of_undeclared(table.column_names)
        return self._events(table, path)

    def check_header(self, header: bytes, path: Path) -> None:
        """Raises TableInvalid where the first lines of a CSV file lack a column that events need."""
        table = table_io.read_lines(header, path, self.declared)
        self._warn_of_undeclared(table.column_names)
        self._events(table, path)

    def read_lines(self, header: bytes, lines: Sequence[bytes], path: Path, rows_before: int) -> list[NumberedEvent]:
        """The events of some lines of a CSV file, in the order of ``known_at``. Raises TableInvalid."""
        table = table_io.read_lines(header + b"".join(lines), path, self.declared, rows_before)
        return self._events(table, path, rows_before)

    def _events(self, table: pa.Table, path: Path, rows_before: int = 0) -> list[NumberedEvent]:
        if self.known_at:
            if KNOWN_AT in table.column_names:
                raise TableInvalid(f"{path} says in its column {KNOWN_AT} when each row became known. Leave out --known-at.")
            moments = pa.array([self.known_at] * len(table), pa.timestamp("s", "UTC"))
            table = table.append_column(KNOWN_AT, moments)
        self._refuse_missing(table.column_names, path)
        self._refuse_moments(table, path, rows_before)
        frame = table.select([name for name in table.column_names if name in self.declared.columns]).to_pandas()
        values = [name for name in frame.columns if name not in (KNOWN_AT, *self.key)]
        columns = zip(frame[KNOWN_AT], row_values(frame, self.key), row_values(frame, values), strict=True)
        events = [
            NumberedEvent(row, Event(known_at.to_pydatetime(), self.name, key, changed))
            for row, (known_at, key, changed) in enumerate(columns, rows_before + 1)
        ]
        return sorted(events, key=lambda numbered: numbered.event.known_at)

    def _warn_of_undeclared(self, names: Sequence[str]) -> None:
        """Says which columns are left out, because the table has none of their names."""
        undeclared = [name for name in names if name not in self.declared.columns]
        near = [get_close_matches(name, self.declared.columns, n=1) for name in undeclared]
        listed = [name + (f" (is it {match[0]}?)" if match else "") for name, match in zip(undeclared, near, strict=True)]
        if listed:
            console.warn(f"These are no columns of {self.name}, and left out: {', '.join(listed)}.")

    def _refuse_missing(self, names: Sequence[str], path: Path) -> None:
        """Raises TableInvalid unless there are ``known_at`` and the key."""
        if missing := [name for name in (KNOWN_AT, *self.key) if name not in names]:
            raise TableInvalid(
                f"{path} should have the columns {KNOWN_AT} (when a row became known) and {', '.join(self.key)} (the key of "
                f"{self.name}); it lacks {', '.join(missing)}. Add them, name another table with --table, or say with "
                "--known-at when all rows became known."
            )

    def _refuse_moments(self, table: pa.Table, path: Path, rows_before: int) -> None:
        """Raises TableInvalid where ``known_at`` is missing or has no offset."""
        moments = table[KNOWN_AT]
        if missing := moments.null_count:
            row = rows_before + moments.is_null().index(True).as_py() + 1
            raise TableInvalid(
                f"{path}, row {row:,}: {KNOWN_AT} should say when the row became known; it is empty ({missing} rows are so)."
            )
        if len(moments) and moments.type.tz is None:
            raise TableInvalid(
                f"{path}: {KNOWN_AT} should have an offset from UTC, such as the Z of 2026-11-27T14:05:00Z; "
                "it has none. Add one to each row."
            )


def declared_table(data: Data, name: str, known_at: datetime | None = None) -> DeclaredTable:
    """The declared table of this name, of which all rows became known at a moment, if one is given.

    Raises TableUnknown where there is none, or where it has no key.
    """
    with_key = [other for other, table in data.tables.items() if table.key]
    if name not in with_key:
        raise TableUnknown(
            f"--table should be one of {', '.join(with_key)}, tables of {data.name} whose rows are events; it is {name!r}."
            if with_key
            else f"No table of {data.name} takes events: none declares a `key` in conf/data/, so callers of the prediction "
            "service give the columns themselves."
        )
    table = data.tables[name]
    moment = Column("datetime", "When the row became known", nullable=False)
    return DeclaredTable(name, table.key, replace(table, columns={KNOWN_AT: moment, **table.columns}), known_at)
