"""Divides a table into what one day brings, and a day into batches that a service takes."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.config.settings import Columns, Split, TimeSplit
from pipeline.data.schema import feature_names

MOST_RECORDS = 1000  # in one request: the prediction service's own default limit
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Day:
    """The row numbers that belong together in time, in batches: one row, and then some of nearly equal size."""

    name: str
    batches: tuple[Rows, ...]

    def __len__(self) -> int:
        """Its rows."""
        return sum(map(len, self.batches))


def in_order(table: pd.DataFrame, how: Split) -> pd.DataFrame:
    """The rows by the split's time column, those of one moment as they are; without such a column, all as they are."""
    return table.sort_values(how.column, kind="stable", ignore_index=True) if isinstance(how, TimeSplit) else table


def days(table: pd.DataFrame, how: Split) -> list[Day]:
    """The days of a table in order; without a time column, equal parts."""
    rows = np.arange(len(table))
    if not isinstance(how, TimeSplit):
        return [Day(f"part {number}", _batches(part)) for number, part in enumerate(_evenly(rows), 1)]
    dates = table[how.column].dt.tz_localize(None).dt.date.to_numpy()
    names, starts = np.unique(dates, return_index=True)
    return [Day(str(name), _batches(part)) for name, part in zip(names, np.split(rows, starts[1:]), strict=True)]


def records(table: pd.DataFrame, columns: Columns) -> list[dict[str, Any]]:
    """Each row as JSON holds it: single-precision numbers, text, datetimes on their own wall clock, None for missing."""
    plain: dict[str, list[Any]] = {}
    for name in feature_names(columns, "number"):
        numbers = table[name].to_numpy(np.float32, na_value=np.nan)
        plain[name] = [None if math.isnan(number) else number for number in numbers.tolist()]
    for name in feature_names(columns, "category"):
        plain[name] = table[name].astype(object).where(table[name].notna(), None).tolist()
    for name in feature_names(columns, "datetime"):
        moments = table[name].dt.tz_localize(None)
        plain[name] = [None if pd.isna(moment) else moment.isoformat() for moment in moments]
    return [dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)]


def _batches(rows: Rows) -> tuple[Rows, ...]:
    """The first row by itself, as most callers ask, and the others together."""
    return (rows[:1], *(part for part in _evenly(rows[1:]) if len(part)))


def _evenly(rows: Rows) -> list[Rows]:
    return np.array_split(rows, max(1, math.ceil(len(rows) / MOST_RECORDS)))
