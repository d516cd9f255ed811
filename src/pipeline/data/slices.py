"""Assigns each row to a slice: by a column's value, or by a part of a datetime such as ``departure.month``."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.config.settings import DATETIME_PARTS

OTHER = "other"


def label_rows(table: pd.DataFrame, slice_name: str) -> pd.Series:
    """The slice of each row of ``table`` by a column, or by a part of a datetime, as pipeline.config.settings checked it."""
    if slice_name in table:
        return table[slice_name]
    column, _, part = slice_name.rpartition(".")
    return getattr(table[column].dt, DATETIME_PARTS[part])


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
