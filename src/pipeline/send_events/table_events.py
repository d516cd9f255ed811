"""Rows of a source table as events: each row says at ``known_at`` which values its other columns took."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from pipeline.config.settings import Column, Data, RawTable
from pipeline.data import table_io
from pipeline.data.event_log import Event, row_values
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
    """A declared source table whose rows are events: its name, its key and how its file is read, ``known_at`` included."""

    name: str
    key: Sequence[str]
    declared: RawTable

    def read(self, path: Path) -> list[NumberedEvent]:
        """The events of a file in the order of ``known_at``. Raises TableInvalid."""
        return self._events(table_io.read_source(path, self.declared), path)

    def read_lines(self, header: bytes, lines: Sequence[bytes], path: Path, rows_before: int) -> list[NumberedEvent]:
        """The events of some lines of a CSV file, in the order of ``known_at``. Raises TableInvalid."""
        table = table_io.read_lines(header + b"".join(lines), path, self.declared, rows_before)
        return self._events(table, path, rows_before)

    def _events(self, table: pa.Table, path: Path, rows_before: int = 0) -> list[NumberedEvent]:
        self._refuse_columns(table.column_names, path)
        frame = table.to_pandas()
        self._refuse_moments(table, path, rows_before)
        values = [name for name in frame.columns if name not in (KNOWN_AT, *self.key)]
        columns = zip(frame[KNOWN_AT], row_values(frame, self.key), row_values(frame, values), strict=True)
        events = [
            NumberedEvent(row, Event(known_at.to_pydatetime(), self.name, key, changed))
            for row, (known_at, key, changed) in enumerate(columns, rows_before + 1)
        ]
        return sorted(events, key=lambda numbered: numbered.event.known_at)

    def _refuse_columns(self, names: Sequence[str], path: Path) -> None:
        """Raises TableInvalid unless there are ``known_at``, the key, and no column that is not declared."""
        if missing := [name for name in (KNOWN_AT, *self.key) if name not in names]:
            raise TableInvalid(
                f"{path} should have the columns {KNOWN_AT} (when a row became known) and {', '.join(self.key)} (the key of "
                f"{self.name}); it lacks {', '.join(missing)}. Add them, or name another table with --table."
            )
        if unknown := [name for name in names if name not in self.declared.columns]:
            raise TableInvalid(
                f"{path} should have columns of {self.name} alone: {', '.join(self.declared.columns)}; it has "
                f"{', '.join(unknown)}. Rename them, or leave them out."
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


def declared_table(data: Data, name: str) -> DeclaredTable:
    """The declared table of this name. Raises TableUnknown where there is none, or where it has no key."""
    with_key = [other for other, table in data.tables.items() if table.key]
    if name not in with_key:
        raise TableUnknown(
            f"--table should be one of {', '.join(with_key)}, the tables of {data.name} whose rows are events; it is {name}."
            if with_key
            else f"No table of {data.name} takes events: none declares a `key` in conf/data/, so callers of the prediction "
            "service give the columns themselves."
        )
    table = data.tables[name]
    known_at = Column("datetime", "When the row became known", nullable=False)
    return DeclaredTable(name, table.key, replace(table, columns={KNOWN_AT: known_at, **table.columns}))
