"""What a recipe says of partitions, and what it is told of one."""

from dataclasses import dataclass
from datetime import timedelta

import pandas as pd


@dataclass(frozen=True)
class Reach:
    """The table whose rows the examples are made of, and how far a row looks at others: before and after its own time."""

    table: str
    before: timedelta = timedelta()
    after: timedelta = timedelta()


@dataclass(frozen=True)
class Part:
    """One partition: the ``rows`` that its examples are made of, in the table that Reach names.

    ``labels`` are the distinct values that the column of the target has in the whole table; None without such a column.
    """

    rows: slice
    labels: pd.Series | None = None
