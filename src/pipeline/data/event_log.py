"""Events: at ``known_at``, some columns of one row of a table took these values. Tables are what the events so far leave.

Events are appended and never changed; a correction is a later event. The table as of a moment is the fold of the events that
were known by then.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype

from pipeline.config.settings import Columns

Values = Mapping[str, Any]  # of JSON: numbers, texts, and datetimes in ISO 8601
Key = tuple[Any, ...]  # the values of a row's key columns


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
        self._moments = tuple(name for name in key if columns[name].kind == "datetime")
        self._rows: dict[Key, int] = {}
        self._values: dict[str, list[Any]] = {name: [] for name in columns}
        self._last_known_at: list[datetime] = []

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: Key) -> bool:
        return key in self._rows

    @property
    def keys(self) -> list[Key]:
        """The key of each row [rows]."""
        return list(self._rows)

    @property
    def last_known_at(self) -> Sequence[datetime]:
        """When the last event of each row [rows] became known."""
        return self._last_known_at

    def apply(self, events: Iterable[Event]) -> None:
        """Takes up events of this table in the order of their log; later values replace earlier ones."""
        for event in events:
            self.apply_one(event)

    def apply_one(self, event: Event) -> Key:
        """Takes up one event and gives the key of its row."""
        key = self._key_of(event)
        if (row := self._rows.get(key)) is None:
            row = self._rows[key] = len(self._rows)
            self._last_known_at.append(event.known_at)
            for values in self._values.values():
                values.append(None)
        for name, value in (*event.key.items(), *event.values.items()):
            if name in self._values:
                self._values[name][row] = value
        self._last_known_at[row] = max(self._last_known_at[row], event.known_at)
        return key

    def revises(self, event: Event, once_known: Collection[str] = ()) -> bool:
        """Whether an event changes what was known of a row that is here.

        The first value of a column is no revision where the column is in ``once_known``: its value says by itself when it
        came true.
        """
        row = self._rows.get(self._key_of(event))
        if row is None:
            return False
        return any(
            name in self._values
            and value != (before := self._values[name][row])
            and not (before is None and name in once_known)
            for name, value in event.values.items()
        )

    def _key_of(self, event: Event) -> Key:
        """The key of the event's row, with datetimes in UTC: 12:00Z and 08:00-04:00 name one row."""
        values = event.key
        if self._moments:
            values = {**values, **{name: _in_utc(values[name]) for name in self._moments}}
        return tuple([values[name] for name in self._key])

    def keep(self, rows: npt.NDArray[np.bool_]) -> None:
        """Forgets all but these rows [rows]."""
        self._rows = {key: row for row, key in enumerate(compress(self._rows, rows))}
        self._values = {name: list(compress(values, rows)) for name, values in self._values.items()}
        self._last_known_at = list(compress(self._last_known_at, rows))

    def complete_keys(self) -> list[Key]:
        """The keys of the rows with a value in each column that must have one; the others await an event that gives it."""
        required = [values for name, values in self._values.items() if not self._columns[name].nullable]
        incomplete = {row for values in required if None in values for row, value in enumerate(values) if value is None}
        return [key for key, row in self._rows.items() if row not in incomplete] if incomplete else self.keys

    def is_complete(self, key: Key) -> bool:
        """Whether the row of a key has a value in each column that must have one."""
        row = self._rows[key]
        return all(values[row] is not None or self._columns[name].nullable for name, values in self._values.items())

    def frame(self, keys: Sequence[Key] | None = None) -> pd.DataFrame:
        """The rows of these keys [rows], or of all.

        Numbers are floats, categories text, datetimes in UTC where their column has an offset.
        """
        rows = None if keys is None else [self._rows[key] for key in keys]
        columns = {name: values if rows is None else [values[row] for row in rows] for name, values in self._values.items()}
        return pd.DataFrame({name: _series(values, self._columns[name].kind) for name, values in columns.items()})


def _in_utc(text: str) -> str:
    if len(text) == len("2013-10-01T12:00:00Z") and text[10] == "T" and text[-1] == "Z":
        return text
    moment = datetime.fromisoformat(text)
    return moment.isoformat() if moment.tzinfo is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _series(values: Sequence[Any], kind: str) -> pd.Series:
    if kind == "datetime":
        return _datetimes(pd.Series(values, dtype="object"))
    return pd.Series(values, dtype="float64" if kind == "number" else "str")


def _datetimes(texts: pd.Series) -> pd.Series:
    try:
        times = pd.to_datetime(texts, format="ISO8601")
    except ValueError:  # of several offsets: senders write summer time, winter time, UTC
        times = pd.to_datetime(texts, format="ISO8601", utc=True)
    return (times if times.dt.tz is None else times.dt.tz_convert("UTC")).dt.as_unit("s")
