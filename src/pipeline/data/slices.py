"""Names the slice of each row: a column's value, or a part of a datetime such as ``departure.month``."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types

from pipeline.support.errors import ParamsInvalid

PARTS = {"year": "year", "month": "month", "date": "date", "weekday": "day_of_week", "hour": "hour"}
OTHER = "other"


def values(table: pd.DataFrame, slice_name: str) -> pd.Series:
    """The slice of each row of ``table`` by ``column`` or ``column.part``, with one of PARTS.

    Raises ParamsInvalid where the column or the part is unknown.
    """
    column, _, part = slice_name.partition(".")
    dated = column in table and types.is_datetime64_any_dtype(table[column])
    if column not in table or (part and not (dated and part in PARTS)):
        raise ParamsInvalid(
            f"data.slices and data.resample_by take a column, or a datetime column with one of .{', .'.join(PARTS)}; "
            f"{slice_name} is neither. Correct it in conf/data/ and type `make params`."
        )
    if not part:
        return table[column]
    return getattr(table[column].dt, PARTS[part])


def pooled(slices: pd.Series, smallest: int) -> pd.Series:
    """The slices as text, those of fewer than ``smallest`` rows pooled as "other", missing ones named "missing"."""
    text = slices.astype(object).map(_label, na_action="ignore").fillna("missing").astype(str)
    small = text.value_counts()
    return text.where(~text.isin(small.index[small < smallest]), OTHER)


def groups(table: pd.DataFrame, resample_by: str | None) -> npt.NDArray[np.intp]:
    """The number, from 0, of the group in which each row is resampled: its own, or that of its slice."""
    if resample_by is None:
        return np.arange(len(table))
    codes, _ = pd.factorize(values(table, resample_by), sort=True, use_na_sentinel=False)
    return np.asarray(codes, np.intp)


def _label(value: object) -> str:
    return f"{value:02.15g}" if isinstance(value, int | float | np.number) else str(value)
