"""Divides a table into days, and a day into batches of the size that the prediction service accepts."""

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
    """The row numbers of a day in batches: the first row alone, then batches of nearly equal size."""

    name: str
    batches: tuple[Rows, ...]

    def __len__(self) -> int:
        """The number of rows."""
        return sum(map(len, self.batches))


def sort_by_time(table: pd.DataFrame, settings: Split) -> pd.DataFrame:
    """The rows sorted by the split's time column, in a stable order; unchanged where there is none."""
    return table.sort_values(settings.column, kind="stable", ignore_index=True) if isinstance(settings, TimeSplit) else table


def days(table: pd.DataFrame, settings: Split) -> list[Day]:
    """The days of a table in order; without a time column, equal parts."""
    rows = np.arange(len(table))
    if not isinstance(settings, TimeSplit):
        return [Day(f"part {number}", _batches(part)) for number, part in enumerate(_split_evenly(rows), 1)]
    dates = table[settings.column].dt.tz_localize(None).dt.date.to_numpy()
    names, starts = np.unique(dates, return_index=True)
    return [Day(str(name), _batches(part)) for name, part in zip(names, np.split(rows, starts[1:]), strict=True)]


def records(table: pd.DataFrame, columns: Columns) -> list[dict[str, Any]]:
    """Each row as a JSON object: single-precision numbers, text, datetimes in ISO 8601, None for missing."""
    frame = table[list(columns)].astype(dict.fromkeys(feature_names(columns, "number"), np.float32)).astype(object)
    for name in feature_names(columns, "datetime"):
        frame[name] = table[name].map(pd.Timestamp.isoformat, na_action="ignore").astype(object)
    records: list[dict[str, Any]] = frame.where(frame.notna(), None).to_dict("records")
    return records


def _batches(rows: Rows) -> tuple[Rows, ...]:
    """The first row alone, to exercise POST /predict as most clients do, and the others in batches."""
    return (rows[:1], *(part for part in _split_evenly(rows[1:]) if len(part)))


def _split_evenly(rows: Rows) -> list[Rows]:
    return np.array_split(rows, max(1, math.ceil(len(rows) / MOST_RECORDS)))
