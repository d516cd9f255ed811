"""Point-in-time features: counts and sums over the events known at a moment, and over nothing later.

Keys are integer codes below 2**30, or -1 for a key without events; moments are whole minutes since 1970 in UTC. Sums are of
whole numbers, so they are exact and do not depend on the order of the rows. Each lookup is two binary searches in one sorted
array: a million rows take about a second.
"""

from collections.abc import Mapping
from functools import reduce

import numpy as np
import numpy.typing as npt
import pandas as pd

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SPAN = 1 << 33  # more minutes than any calendar has: key * SPAN + moment is one sortable integer
NEVER = SPAN - 1  # the moment of an event that has not happened


class Vocabulary:
    """The distinct values of some columns of a table, by which combinations of values become integer codes."""

    def __init__(self, table: pd.DataFrame, *columns: str) -> None:
        self._codes = {
            column: {value: code for code, value in enumerate(table[column].dropna().unique())} for column in columns
        }

    def size(self, column: str) -> int:
        """How many values a column has."""
        return len(self._codes[column])

    def codes(self, table: pd.DataFrame) -> dict[str, Integers]:
        """By column, the code of each row's value [n]; -1 where it is missing or not in the vocabulary."""
        return {
            column: np.fromiter((codes.get(value, -1) for value in table[column].tolist()), np.int64, len(table))
            for column, codes in self._codes.items()
        }

    def combine(self, codes: Mapping[str, Integers], *columns: str) -> Integers:
        """One code for each combination of the columns' values [n]; -1 where the code of one of them is -1."""
        parts = [codes[column] for column in columns]
        combined = reduce(lambda code, column: code * self.size(column) + codes[column], columns, np.zeros_like(parts[0]))
        return np.where(np.minimum.reduce(parts) >= 0, combined, -1)


class Timeline:
    """The events that ``happened``, sorted by key and moment, with cumulative sums of their integer ``values``."""

    def __init__(self, key: Integers, moment: Integers, happened: Flags | None = None, **values: Integers | Flags) -> None:
        rows = np.arange(len(key)) if happened is None else np.flatnonzero(happened)
        positions = key[rows] * SPAN + moment[rows]
        order = np.argsort(positions, kind="stable")
        self._positions, self._rows = positions[order], rows[order]
        self._sums = {
            name: np.concatenate([[0], np.cumsum(value[self._rows].astype(np.int64))]) for name, value in values.items()
        }

    def count_until(self, key: Integers, moment: Integers) -> Integers:
        """How many events have a smaller key, or this ``key`` and a moment at or before ``moment``."""
        count: Integers = self._positions.searchsorted(key * SPAN + moment, side="right")
        return count

    def window(self, key: Integers, moment: Integers, length: int, lag: int = 0) -> dict[str, Integers]:
        """``count`` and the sums of each key's events in (moment - length, moment - lag]; both in minutes."""
        high = self.count_until(key, moment - lag)
        low = self.count_until(key, np.maximum(moment - length, -1))
        return {"count": high - low, **{name: sums[high] - sums[low] for name, sums in self._sums.items()}}

    def mean(self, name: str, key: Integers, moment: Integers, length: int, lag: int = 0) -> Floats:
        """The mean of a value over each key's events in (moment - length, moment - lag], NaN where there are none."""
        window = self.window(key, moment, length, lag)
        return divide_or_nan(window[name], window["count"])

    def last_row(self, key: Integers, moment: Integers) -> Integers:
        """The row of each key's last event at or before ``moment``; -1 for none."""
        index = self.count_until(key, moment) - 1
        if not len(self._positions):
            return np.full(len(key), -1)
        inside = np.maximum(index, 0)
        return np.where((index >= 0) & (self._positions[inside] // SPAN == key), self._rows[inside], -1)


class OpenIntervals:
    """Intervals [start, end) by key, which can be counted while they are open."""

    def __init__(self, key: Integers, start: Integers, end: Integers) -> None:
        not_empty = end > start
        self._starts = Timeline(key, start, not_empty, start=start)
        self._ends = Timeline(key, end, not_empty, start=start)

    def count_open(self, key: Integers, moment: Integers) -> tuple[Integers, Integers]:
        """How many of each key's intervals are open at ``moment``, and the sum of their ages in minutes."""
        started = self._starts.window(key, moment, SPAN)
        ended = self._ends.window(key, moment, SPAN)
        count = started["count"] - ended["count"]
        return count, count * moment - (started["start"] - ended["start"])


def divide_or_nan(total: Integers, count: Integers) -> Floats:
    """``total / count`` [n], NaN where ``count`` is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(count > 0, total / count, np.nan)


def shrink_towards(prior: Floats, total: Integers, count: Integers, weight: int) -> Floats:
    """``total / count`` [n] shrunk towards ``prior`` (additive smoothing), which counts as ``weight`` more events."""
    return (total + weight * np.nan_to_num(prior)) / (count + weight)


def take_or_nan(values: npt.ArrayLike, row: Integers) -> Floats:
    """``values[row]`` as float64, NaN where ``row`` is -1."""
    numbers = np.asarray(values)
    if not len(numbers):
        return np.full(len(row), np.nan)
    return np.where(row >= 0, numbers[np.maximum(row, 0)].astype(np.float64), np.nan)


def epoch_minutes(times: pd.Series) -> Integers:
    """Whole minutes since 1970 in UTC of ``times`` [n], of any time zone; NEVER where missing."""
    utc = pd.to_datetime(times, utc=True).dt.tz_localize(None)
    minutes = utc.to_numpy().astype("datetime64[m]").astype(np.int64)
    return np.where(utc.isna(), NEVER, minutes)
