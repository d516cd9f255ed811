"""The recipe for any single table: each of its rows is an example, unchanged."""

from collections.abc import Mapping

import pandas as pd
from pandas.api import types
from pydantic.dataclasses import dataclass

from pipeline.config.settings import CLOSED, Data
from pipeline.support.errors import TableInvalid


@dataclass(frozen=True, config=CLOSED)
class Options:
    """No settings beyond those of every data set."""


def examples(tables: Mapping[str, pd.DataFrame], data: Data, _options: Options) -> tuple[pd.DataFrame, dict[str, int]]:
    """The rows that have a target, with the declared columns; the target is 1 where it equals ``data.target.positive``.

    The second result counts the rows without a target.

    Raises TableInvalid where no row has the positive label, or every row has it.
    """
    if len(tables) != 1:
        raise TableInvalid(
            f"The recipe `table` takes one table; data.tables of conf/data/{data.name}.yaml has {len(tables)}. Leave one, "
            "or write a recipe of your own."
        )
    (table,) = tables.values()
    target = data.target
    if target.name not in table:
        raise TableInvalid(
            f"data.target.name is {target.name}; the table has the columns {', '.join(table.columns)}. "
            f"Correct conf/data/{data.name}.yaml."
        )
    labelled = table[table[target.name].notna()]
    labels = labelled[target.name]
    if types.is_float_dtype(labels) and (labels % 1 == 0).all():
        labels = labels.astype("int64")  # missing values had turned whole numbers into decimal ones
    positive = (labels.astype(str) == str(target.positive)).astype("int8")
    if positive.nunique() < 2:
        values = ", ".join(sorted(labels.astype(str).unique())[:10])
        raise TableInvalid(
            f"data.target.positive is {target.positive!r}; it should be one of two or more labels of column {target.name}, "
            f"which holds {values or 'nothing'}. Correct conf/data/{data.name}.yaml."
        )
    frame = labelled[list(data.columns)].assign(**{target.name: positive})
    return frame.reset_index(drop=True), {f"{target.name} unknown": len(table) - len(labelled)}
