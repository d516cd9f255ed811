"""Assigns each row to a slice: by a column's value, or by a part of a datetime such as ``departure.month``."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types

from pipeline.support.errors import ParamsInvalid

PARTS = {"year": "year", "month": "month", "date": "date", "weekday": "day_of_week", "hour": "hour"}
OTHER = "other"


def label_rows(table: pd.DataFrame, slice_name: str) -> pd.Series:
    """The slice of each row of ``table`` by ``column``, or by ``column.part`` with a part of PARTS.

    Raises ParamsInvalid where the column or the part is unknown.
    """
    column, _, part = slice_name.partition(".")
    is_datetime = column in table and types.is_datetime64_any_dtype(table[column])
    if column not in table or (part and not (is_datetime and part in PARTS)):
        raise ParamsInvalid(
            f"data.slices and data.resample_by take a column, or a datetime column with a part (.{', .'.join(PARTS)}); "
            f"{slice_name} is neither. Correct it in conf/data/ and type `make params`."
        )
    if not part:
        return table[column]
    return getattr(table[column].dt, PARTS[part])


def pool_small(slices: pd.Series, smallest: int) -> pd.Series:
    """The slices as text; those of fewer than ``smallest`` rows become "other", missing ones "missing"."""
    text = slices.astype(object).map(_to_text, na_action="ignore").fillna("missing").astype(str)
    return text.where(text.map(text.value_counts()) >= smallest, OTHER)


def resampling_groups(table: pd.DataFrame, resample_by: str | None) -> npt.NDArray[np.intp]:
    """The number, from 0, of the group that the bootstrap draws each row with: the row alone, or its slice."""
    if resample_by is None:
        return np.arange(len(table))
    codes, _ = pd.factorize(label_rows(table, resample_by), sort=True, use_na_sentinel=False)
    return np.asarray(codes, np.intp)


def _to_text(value: object) -> str:
    return f"{value:02.15g}" if isinstance(value, int | float | np.number) else str(value)
