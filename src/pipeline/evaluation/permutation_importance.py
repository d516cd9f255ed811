"""Permutation importance (Breiman 2001): the loss of ROC AUC when the values of one column are shuffled."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import roc_auc_score

from pipeline.config.settings import Columns
from pipeline.data.model_inputs import INPUTS
from pipeline.data.schema import feature_names

LEAST_OF_A_CLASS = 100  # rows of each class in a sample, as far as there are so many
Predict = Callable[[Mapping[str, npt.NDArray[Any]]], npt.NDArray[np.float64]]


def sample_rows(truth: npt.NDArray[Any], size: int, seed: int) -> npt.NDArray[np.intp]:
    """The numbers of ``size`` random rows, among them the rows of a rare class without which no AUC is defined."""
    shuffled = np.random.default_rng(seed).permutation(len(truth))
    rows = shuffled[:size]
    for label in (0, 1):
        members = shuffled[truth[shuffled] == label][: min(LEAST_OF_A_CLASS, size // 2)]
        if np.sum(truth[rows] == label) < len(members):
            others = shuffled[truth[shuffled] != label]
            return np.concatenate([members, others])[:size]
    return rows


def auc_losses(
    predict: Predict,
    arrays: Mapping[str, npt.NDArray[Any]],
    truth: npt.NDArray[Any],
    columns: Columns,
    seed: int,
    advance: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """``auc_loss`` of each column when it alone is shuffled, the most important first; ``advance`` is called after each."""
    shuffle = np.random.default_rng(seed).permutation(len(truth))
    unshuffled = roc_auc_score(truth, predict(arrays))
    losses = {}
    for kind, name in INPUTS.items():
        for index, column in enumerate(feature_names(columns, kind)):
            shuffled = arrays[name].copy()
            shuffled[:, index] = shuffled[shuffle, index]
            losses[column] = unshuffled - roc_auc_score(truth, predict({**arrays, name: shuffled}))
            advance()
    table = pd.DataFrame({"column": list(losses), "auc_loss": np.round(list(losses.values()), 4)})
    return table.sort_values(["auc_loss", "column"], ascending=[False, True], ignore_index=True)
