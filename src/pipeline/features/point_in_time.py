"""What was known when: counts and sums over events that had happened at a moment, and nothing after it.

Keys are integer codes, moments are whole minutes since 1970 in UTC, and sums are of whole numbers: exact, and so the same in
any order of the rows. Every question is two binary searches in one sorted array, so a million rows take about a second.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SPAN = 1 << 33  # more minutes than any calendar has: key * SPAN + moment is one sortable integer
NEVER = SPAN - 1  # the moment of what has not happened


def codes(*columns: pd.Series) -> Integers:
    """One integer per distinct combination of the columns' values [n], from 0; a missing value is a value of its own."""
    combined = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        part, values = pd.factorize(column, use_na_sentinel=False)
        combined = combined * max(len(values), 1) + part
    return np.asarray(pd.factorize(combined)[0], np.int64)


class Timeline:
    """Events in the order of their key and moment, with running sums of whole-numbered values."""

    def __init__(self, key: Integers, moment: Integers, happened: Flags | None = None, **values: Integers | Flags) -> None:
        rows = np.arange(len(key)) if happened is None else np.flatnonzero(happened)
        places = key[rows] * SPAN + moment[rows]
        order = np.argsort(places, kind="stable")
        self._places, self._rows = places[order], rows[order]
        self._sums = {
            name: np.concatenate([[0], np.cumsum(value[self._rows].astype(np.int64))]) for name, value in values.items()
        }

    def until(self, key: Integers, moment: Integers) -> Integers:
        """How many events, over all smaller keys and this one, lie at or before ``moment``."""
        count: Integers = np.searchsorted(self._places, key * SPAN + moment, side="right")
        return count

    def window(self, key: Integers, moment: Integers, length: int, lag: int = 0) -> dict[str, Integers]:
        """``count`` and the sums of each key's events in (moment - length, moment - lag], in minutes."""
        high = self.until(key, moment - lag)
        low = self.until(key, np.maximum(moment - length, -1))
        return {"count": high - low, **{name: sums[high] - sums[low] for name, sums in self._sums.items()}}

    def last(self, key: Integers, moment: Integers, back: int = 0) -> Integers:
        """The row of each key's last event at or before ``moment``, or of the one ``back`` events earlier; -1 for none."""
        at = self.until(key, moment) - 1 - back
        if not len(self._places):
            return np.full(len(key), -1)
        inside = np.maximum(at, 0)
        return np.where((at >= 0) & (self._places[inside] // SPAN == key), self._rows[inside], -1)


class OpenIntervals:
    """Intervals [start, end) by key, and which of them are open at a moment."""

    def __init__(self, key: Integers, start: Integers, end: Integers) -> None:
        real = end > start
        self._starts = Timeline(key, start, real, start=start)
        self._ends = Timeline(key, end, real, start=start)

    def at(self, key: Integers, moment: Integers) -> tuple[Integers, Integers]:
        """How many of each key's intervals are open at ``moment``, and their summed age in minutes."""
        started = self._starts.window(key, moment, SPAN)
        ended = self._ends.window(key, moment, SPAN)
        count = started["count"] - ended["count"]
        return count, count * moment - (started["start"] - ended["start"])


def ratio(top: Integers, bottom: Integers) -> Floats:
    """``top / bottom`` [n], missing where there is nothing below."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bottom > 0, top / bottom, np.nan)


def shrunk(top: Integers, bottom: Integers, towards: Floats, weight: int) -> Floats:
    """``top / bottom`` [n] drawn towards a wider mean, as if ``weight`` further events had shown it."""
    return (top + weight * np.nan_to_num(towards)) / (bottom + weight)


def picked(values: npt.ArrayLike, row: Integers) -> Floats:
    """``values[row]``, missing where ``row`` is -1."""
    known = np.asarray(values, dtype=np.float64)
    if not len(known):
        return np.full(len(row), np.nan)
    return np.where(row >= 0, known[np.maximum(row, 0)], np.nan)


def minutes(moments: pd.Series) -> Integers:
    """Whole minutes since 1970 of UTC moments [n]; missing ones are NEVER."""
    plain = pd.to_datetime(moments, utc=True).dt.tz_localize(None)
    counted = plain.to_numpy().astype("datetime64[m]").astype(np.int64)
    return np.where(plain.isna(), NEVER, counted)
