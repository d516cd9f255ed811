"""What each topic of columns contributes to predictions, compared with a typical case: exact Shapley values (Shapley 1953).

These are the values that the prediction service gives as the reasons of a prediction (Lundberg and Lee 2017, "A unified
approach to interpreting model predictions"), of many rows at once: the model predicts all of them once for each set of
topics, with the columns of the other topics at their typical values.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.config.settings import Column, Columns
from pipeline.data import model_inputs
from pipeline.data.schema import feature_names

DECIMALS = 4  # of a mean contribution: a hundredth of a percent
Arrays = Mapping[str, npt.NDArray[Any]]
Predict = Callable[[Arrays], npt.NDArray[np.float64]]
SERIES = {"number": "float32", "category": "object", "datetime": "datetime64[s]"}


def contributions(
    predict: Predict,
    arrays: Arrays,
    described: Sequence[Mapping[str, Any]],
    advance: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """The contribution of each topic to each row of the packed inputs, in points of probability: a column for each topic.

    ``described`` are the columns of schema.json, with ``topic`` and ``typical``; ``advance`` is called after each set.
    """
    columns = {column["name"]: Column(column["kind"], topic=column["topic"]) for column in described}
    typical = _typical_arrays(described, columns)
    topics = list(dict.fromkeys(column["topic"] for column in described))
    values = {}
    for chosen in (frozenset(chosen) for size in range(len(topics) + 1) for chosen in combinations(topics, size)):
        values[chosen] = predict(_mix(arrays, typical, columns, chosen))
        advance()
    added = {topic: np.zeros(len(values[frozenset()])) for topic in topics}
    for chosen, probability in values.items():
        for topic in topics:  # it joins the same others in size! (topics - size - 1)! / topics! of all orders of the topics
            share = 1 / (len(topics) * comb(len(topics) - 1, len(chosen - {topic})))
            added[topic] += (share if topic in chosen else -share) * probability
    return pd.DataFrame(added)


def sample_rows(rows: int, size: int, seed: int) -> npt.NDArray[np.int32]:
    """The numbers of ``size`` random ones of so many rows."""
    return np.random.default_rng(seed).permutation(np.arange(rows, dtype=np.int32))[:size]


def mean_absolute(table: pd.DataFrame) -> pd.DataFrame:
    """The mean absolute contribution of each topic, the largest first."""
    means = table.abs().mean().round(DECIMALS)
    result = pd.DataFrame({"topic": means.index, "mean_absolute_contribution": means.to_numpy()})
    return result.sort_values(["mean_absolute_contribution", "topic"], ascending=[False, True], ignore_index=True)


def count_sets(described: Sequence[Mapping[str, Any]]) -> int:
    """How many sets of topics there are."""
    topics: int = 2 ** len({column["topic"] for column in described})
    return topics


def _typical_arrays(described: Sequence[Mapping[str, Any]], columns: Columns) -> Arrays:
    """The packed inputs of the typical case, one row each."""
    row = {}
    for column in described:
        value = column["typical"]
        if column["kind"] == "datetime" and value is not None:
            value = pd.Timestamp(value).tz_localize(None)
        row[column["name"]] = pd.Series([value], dtype=SERIES[column["kind"]])
    return model_inputs.to_arrays(model_inputs.pack(pd.DataFrame(row), columns), columns)


def _mix(arrays: Arrays, typical: Arrays, columns: Columns, chosen: frozenset[str]) -> Arrays:
    """The inputs with the columns of the chosen topics, and with the typical values of all others."""
    mixed = {}
    for kind, name in model_inputs.INPUTS.items():
        if name in arrays:
            is_chosen = [columns[column].topic in chosen for column in feature_names(columns, kind)]
            mixed[name] = np.where(is_chosen, arrays[name], typical[name])
    return mixed
