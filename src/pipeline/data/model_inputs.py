"""Packs a table into the model's three inputs: numbers, categories and datetimes, each an array with one row per case.

Three arrays instead of an input per column keep a request cheap: each input of a call of ONNX Runtime costs microseconds.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.config.settings import Columns
from pipeline.data.schema import feature_names

INPUTS = {"number": "numbers", "category": "categories", "datetime": "datetimes"}
TYPES = {"number": np.float32, "category": np.object_, "datetime": np.float64}


def pack(table: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """The model's columns, by kind: numbers as float32, categories as text with "" for missing, datetimes as seconds.

    Datetimes are seconds since 1970-01-01 on their own wall clock, as float64; missing numbers and datetimes are NaN.
    """
    packed = {name: _pack_column(table[name], kind) for kind in INPUTS for name in feature_names(columns, kind)}
    return pd.DataFrame(packed, index=table.index)


def to_arrays(packed: pd.DataFrame, columns: Columns) -> dict[str, npt.NDArray[Any]]:
    """A packed frame by input name: ``numbers`` [n, k] float32, ``categories`` [n, k] text, ``datetimes`` [n, k] float64."""
    return {INPUTS[kind]: packed[names].to_numpy(TYPES[kind]) for kind in INPUTS if (names := feature_names(columns, kind))}


def epoch_seconds(values: pd.Series) -> npt.NDArray[np.float64]:
    """Seconds since 1970-01-01 on the values' own wall clock, NaN where missing."""
    wall_clock = values.dt.tz_localize(None).astype("datetime64[s]")
    return np.where(wall_clock.isna(), np.nan, wall_clock.astype("int64").to_numpy(np.float64))


def _pack_column(values: pd.Series, kind: str) -> Any:
    if kind == "number":
        return values.to_numpy(np.float32, na_value=np.nan)
    if kind == "category":
        return values.astype(object).where(values.notna(), "").to_numpy(object)
    return epoch_seconds(values)
