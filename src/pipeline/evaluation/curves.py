"""The points of the three curves of the report: ROC, precision and recall, calibration."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.evaluation.metrics import equal_count_bins
from pipeline.evaluation.ranked_rows import RankedRows

CURVE_POINTS = 201


def roc_curve(ranked: RankedRows) -> pd.DataFrame:
    """The ROC curve at evenly spaced false-positive rates, straight between thresholds; NaN without both classes."""
    positives, negatives = classes(ranked)
    grid = np.linspace(0, 1, CURVE_POINTS)
    rate = np.full(CURVE_POINTS, np.nan)
    if len(positives) and len(negatives):
        false_positives = grid * len(negatives)
        thresholds = negatives[::-1][np.minimum(false_positives.astype(np.intp), len(negatives) - 1)]
        (false, next_false), (true, next_true) = (_count_above(thresholds, rows) for rows in (negatives, positives))
        share = (false_positives - false) / (next_false - false)
        rate = (true + share * (next_true - true)) / len(positives)
        rate[-1] = 1.0
    return pd.DataFrame({"false_positive_rate": grid, "true_positive_rate": rate}).round(4)


def precision_recall_curve(ranked: RankedRows) -> pd.DataFrame:
    """The best precision at each of evenly spaced recalls, over the thresholds that reach it (interpolated precision)."""
    positives, negatives = classes(ranked)
    grid = np.linspace(0, 1, CURVE_POINTS)[1:]
    precision = np.zeros(len(grid))
    if len(positives):  # at the probabilities of the others precision is lower, and recall the same
        true = len(positives) - np.searchsorted(positives, positives, side="left")
        predicted = true + len(negatives) - np.searchsorted(negatives, positives, side="left")
        best_precision, recall = np.maximum.accumulate(true / predicted)[::-1], true[::-1] / len(positives)
        precision = best_precision[np.searchsorted(recall, grid - 1e-12)]
    return pd.DataFrame({"recall": grid, "precision": precision}).round(4)


def calibration_table(ranked: RankedRows, bins: int) -> pd.DataFrame:
    """The calibration curve (reliability diagram): rows, mean prediction and observed share of each equal-count bin."""
    starts = equal_count_bins(len(ranked), bins)
    rows = np.diff(np.append(starts, len(ranked)))
    parts = [slice(start, start + count) for start, count in zip(starts, rows, strict=True)]
    predicted = np.array([ranked.probability[part].sum(dtype=np.float64) for part in parts]) / rows
    observed = np.array([np.count_nonzero(ranked.truth[part]) for part in parts]) / rows
    return pd.DataFrame({"rows": rows, "predicted": predicted, "observed": observed})[::-1].round(4)


def classes(ranked: RankedRows) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The probabilities of the positive rows and those of the negative rows, each in ascending order."""
    positives, negatives = (ranked.probability[::-1][rows[::-1]] for rows in (ranked.truth, ~ranked.truth))
    return positives, negatives


def _count_above(thresholds: npt.NDArray[Any], ascending: npt.NDArray[Any]) -> tuple[npt.NDArray[np.intp], ...]:
    """How many of the probabilities are above each threshold, and how many are above or equal to it."""
    return tuple(len(ascending) - np.searchsorted(ascending, thresholds, side=side) for side in ("right", "left"))
