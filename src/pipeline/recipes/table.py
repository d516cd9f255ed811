"""The recipe for any single table: its rows are the examples, as they stand."""

from collections.abc import Mapping

import pandas as pd
from pandas.api import types
from pydantic.dataclasses import dataclass

from pipeline.config.settings import CLOSED, Data
from pipeline.recipes.examples import Examples
from pipeline.support.errors import TableInvalid


@dataclass(frozen=True, config=CLOSED)
class Options:
    """No settings: those of every data set are enough."""


def examples(tables: Mapping[str, pd.DataFrame], data: Data, _options: Options) -> Examples:
    """The rows whose target is known, with the declared columns; the target is 1 where it equals ``data.target.positive``.

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
    known = table[table[target.name].notna()]
    if types.is_float_dtype(known[target.name]) and (known[target.name] % 1 == 0).all():
        known = known.assign(**{target.name: known[target.name].astype("int64")})  # whole labels beside missing ones
    label = (known[target.name].astype(str) == str(target.positive)).astype("int8")
    if label.nunique() < 2:
        seen = ", ".join(sorted(known[target.name].astype(str).unique())[:10])
        raise TableInvalid(
            f"data.target.positive is {target.positive!r}, one of two or more labels of column {target.name} "
            f"was wanted, and it holds {seen or 'nothing'}. Correct conf/data/{data.name}.yaml."
        )
    frame = known[list(data.columns)].assign(**{target.name: label})
    return Examples(frame.reset_index(drop=True), {f"{target.name} unknown": len(table) - len(known)})
