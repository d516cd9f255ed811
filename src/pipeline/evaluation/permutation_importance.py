"""Permutation importance (Breiman 2001): the loss of ROC AUC when the values of one column are shuffled."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.compute import Engine, LocalEngine
from pipeline.config.settings import Columns
from pipeline.data.model_inputs import INPUTS
from pipeline.data.schema import feature_names
from pipeline.evaluation import metrics

LEAST_OF_A_CLASS = 100  # rows of each class in a sample, as far as there are so many
Arrays = Mapping[str, npt.NDArray[Any]]
Predict = Callable[[Arrays], npt.NDArray[np.float64]]


def sample_rows(truth: npt.NDArray[Any], size: int, seed: int) -> npt.NDArray[np.intp]:
    """The numbers of ``size`` random rows, among them the rows of a rare class without which no AUC is defined."""
    shuffled = np.random.default_rng(seed).permutation(np.arange(len(truth), dtype=np.int32))
    rows = shuffled[:size]
    for label in (0, 1):
        members = shuffled[truth[shuffled] == label][: min(LEAST_OF_A_CLASS, size // 2)]
        if np.sum(truth[rows] == label) < len(members):
            others = shuffled[truth[shuffled] != label]
            return np.concatenate([members, others])[:size].astype(np.intp)
    return rows.astype(np.intp)


def auc_losses(
    predict: Predict,
    arrays: Arrays,
    truth: npt.NDArray[Any],
    columns: Columns,
    seed: int,
    advance: Callable[[], None] = lambda: None,
    engine: Engine | None = None,
) -> pd.DataFrame:
    """``auc_loss`` of each column when it alone is shuffled, the most important first; ``advance`` is called after each.

    ``engine`` computes a column as one task; without it all are computed in this process.
    """
    shuffle = np.random.default_rng(seed).permutation(len(truth))
    unshuffled = metrics.roc_auc(truth, predict(arrays))
    names = {INPUTS[kind]: feature_names(columns, kind) for kind in INPUTS}
    places = [(name, index) for name, features in names.items() for index in range(len(features))]
    tasks = ((name, index, arrays[name][shuffle, index]) for name, index in places)
    shuffled = (engine or LocalEngine()).map(partial(auc_with_column, predict, arrays, truth), tasks, advance)
    losses = [unshuffled - auc for auc in shuffled]
    table = pd.DataFrame({"column": [*chain(*names.values())], "auc_loss": np.round(losses, 4)})
    return table.sort_values(["auc_loss", "column"], ascending=[False, True], ignore_index=True)


def auc_with_column(
    predict: Predict, arrays: Arrays, truth: npt.NDArray[Any], column: tuple[str, int, npt.NDArray[Any]]
) -> float:
    """The ROC AUC with other values in one column: the input that it belongs to, its number there, and its values [n]."""
    name, index, values = column
    changed = arrays[name].copy()
    changed[:, index] = values
    return metrics.roc_auc(truth, predict({**arrays, name: changed}))
