"""Events: at ``known_at``, some columns of one row of a table took these values. Tables are what the events so far leave.

Events are appended and never changed; a correction is a later event. The table as of a moment is the fold of the events that
were known by then.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd
from pandas.api.types import is_datetime64_any_dtype

from pipeline.config.settings import Columns

Values = Mapping[str, Any]  # of JSON: numbers, texts, and datetimes in ISO 8601


class Event(NamedTuple):
    """At ``known_at`` (with an offset) the row of ``table`` whose key columns are ``key`` took these ``values``."""

    known_at: datetime
    table: str
    key: Values
    values: Values

    def as_json(self) -> dict[str, Any]:
        """The event as `POST /events` takes it."""
        return {**self._asdict(), "known_at": self.known_at.isoformat()}


def row_values(rows: pd.DataFrame, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The values of each row in these columns, as JSON has them, without those that are missing."""
    texts = {name: _datetime_texts(rows[name]) if is_datetime64_any_dtype(rows[name]) else rows[name] for name in columns}
    plain = [texts[name].astype("object").where(rows[name].notna(), None).tolist() for name in columns]
    for values in zip(*plain, strict=True) if plain else iter([()] * len(rows)):
        yield {name: value for name, value in zip(columns, values, strict=True) if value is not None}


def _datetime_texts(values: pd.Series) -> pd.Series:
    """Datetimes in ISO 8601, with Z where they have an offset, which is then that of UTC."""
    return values.dt.strftime("%Y-%m-%dT%H:%M:%SZ" if isinstance(values.dtype, pd.DatetimeTZDtype) else "%Y-%m-%dT%H:%M:%S")


class EventTable:
    """One table as events leave it: its rows by key, in the order in which they became known."""

    def __init__(self, columns: Columns, key: Sequence[str]) -> None:
        self._columns, self._key = columns, tuple(key)
        self._rows: dict[tuple[Any, ...], int] = {}
        self._values: dict[str, list[Any]] = {name: [] for name in columns}

    def __len__(self) -> int:
        return len(self._rows)

    def apply(self, events: Iterable[Event]) -> None:
        """Takes up events of this table in the order of their log; later values replace earlier ones."""
        for event in events:
            key = tuple(event.key[name] for name in self._key)
            if (row := self._rows.get(key)) is None:
                row = self._rows[key] = len(self._rows)
                for values in self._values.values():
                    values.append(None)
            for name, value in (*event.key.items(), *event.values.items()):
                if name in self._values:
                    self._values[name][row] = value

    def frame(self) -> pd.DataFrame:
        """The table [rows]: numbers as floats, categories as text, datetimes in UTC where their column has an offset."""
        return pd.DataFrame({name: _series(values, self._columns[name].kind) for name, values in self._values.items()})


def _series(values: Sequence[Any], kind: str) -> pd.Series:
    if kind == "datetime":
        return pd.to_datetime(pd.Series(values, dtype="object"), format="ISO8601").dt.as_unit("s")
    return pd.Series(values, dtype="float64" if kind == "number" else "str")
