"""What a recipe makes of raw tables: one example per case to predict, and a count of the rows that were left out."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Examples:
    """One row per case, with the declared columns and the target (0 or 1); ``left_out`` counts the other rows by reason."""

    frame: pd.DataFrame
    left_out: Mapping[str, int]
