"""The metrics of a model: ROC AUC, average precision, Brier score, log loss, ECE, precision, recall, F1.

Every metric takes row weights, so a bootstrap resample is a vector of counts over rows that are sorted once: 500 resamples
of 100,000 rows take about a second. Tests compare each metric with scikit-learn's.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
METRICS = ("roc_auc", "average_precision", "brier", "log_loss", "calibration_error", "precision", "recall", "f1")
DECIMALS = 6  # of scores: far finer than any interval, far coarser than the last bit, which depends on the processor
SMALLEST_PROBABILITY = 1e-15  # probabilities are clipped to this before the logarithm of the log loss


@dataclass(frozen=True)
class RankedScores:
    """Rows from the highest probability to the lowest, with all that a score needs and that no resample changes.

    ``ties`` are the last rows of equal probability, ``bins`` the first rows of the equal-count bins; the first
    ``predicted_positive`` rows are predicted positive.
    """

    truth: Floats
    probability: Floats
    order: npt.NDArray[np.intp]
    ties: npt.NDArray[np.intp]
    bins: npt.NDArray[np.intp]
    squared: Floats
    logarithmic: Floats
    predicted_positive: int

    @classmethod
    def from_scores(cls, truth: npt.ArrayLike, probability: npt.ArrayLike, threshold: float, bins: int) -> "RankedScores":
        """Sorts ``truth`` [n] (0 or 1) by ``probability`` [n]; cases at or above ``threshold`` are predicted positive."""
        p, y = np.asarray(probability, np.float64), np.asarray(truth, np.float64)
        order = rank(p)
        p, y = p[order], y[order]
        squared, logarithmic = row_losses(y, p)
        return cls(
            truth=y,
            probability=p,
            order=order,
            ties=np.flatnonzero(np.append(p[1:] != p[:-1], True)),
            bins=equal_count_bins(len(p), bins),
            squared=squared,
            logarithmic=logarithmic,
            predicted_positive=int(np.searchsorted(-p, -threshold, side="right")),
        )


def rank(probability: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """The numbers of the rows from the highest probability to the lowest; rows of one probability keep their order."""
    return np.argsort(-probability, kind="stable")


def equal_count_bins(rows: int, bins: int) -> npt.NDArray[np.intp]:
    """The first row of each of ``bins`` bins of equal counts; where there are fewer rows, each is a bin."""
    return np.unique((np.arange(bins) * rows) // bins)


def row_losses(truth: Floats, probability: Floats) -> tuple[Floats, Floats]:
    """The squared error and the log loss of each row [n]."""
    clipped = np.clip(probability, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return (probability - truth) ** 2, -np.where(truth == 1, np.log(clipped), np.log1p(-clipped))


def scores(ranking: RankedScores, weights: Floats | None = None) -> dict[str, float]:
    """Each of METRICS; ``weights`` [n] count the rows in their original order. NaN where a class is absent.

    ``calibration_error`` is the expected calibration error (ECE): |mean predicted - share observed| of each equal-count bin,
    weighted by the rows of the bin. ``brier`` is the Brier score, ``average_precision`` the area under precision and recall.
    """
    w = np.ones(len(ranking.truth)) if weights is None else np.asarray(weights, np.float64)[ranking.order]
    positive_weights = w * ranking.truth
    total, positives = w.sum(), positive_weights.sum()
    negatives = total - positives
    true_positives, predicted = np.cumsum(positive_weights)[ranking.ties], np.cumsum(w)[ranking.ties]
    false_positives = predicted - true_positives
    with np.errstate(divide="ignore", invalid="ignore"):
        recall_steps = np.diff(true_positives, prepend=0.0) / positives
        precisions = np.divide(true_positives, predicted, where=predicted > 0, out=np.zeros_like(true_positives))
        at_threshold = slice(ranking.predicted_positive)
        true_at_threshold, predicted_at_threshold = positive_weights[at_threshold].sum(), w[at_threshold].sum()
        bin_errors = np.abs(np.add.reduceat(positive_weights - w * ranking.probability, ranking.bins))
        return {
            "roc_auc": float(_roc_area(true_positives, false_positives) / (positives * negatives)),
            "average_precision": float((recall_steps * precisions).sum()),
            "brier": float((w * ranking.squared).sum() / total),
            "log_loss": float((w * ranking.logarithmic).sum() / total),
            "calibration_error": float(bin_errors.sum() / total),
            "precision": float(true_at_threshold / predicted_at_threshold) if predicted_at_threshold else 0.0,
            "recall": float(true_at_threshold / positives),
            "f1": float(2 * true_at_threshold / (predicted_at_threshold + positives)),
        }


def roc_auc(truth: npt.NDArray[Any], probability: npt.NDArray[Any]) -> float:
    """The ROC AUC alone, for ``truth`` [n] (0 or 1) and ``probability`` [n]. NaN where a class is absent."""
    order = rank(probability)
    p, y = probability[order], np.asarray(truth, np.float64)[order]
    ties = np.flatnonzero(np.append(p[1:] != p[:-1], True))
    true_positives = np.cumsum(y)[ties]
    false_positives = ties + 1 - true_positives
    with np.errstate(invalid="ignore"):
        return float(_roc_area(true_positives, false_positives) / (y.sum() * (len(y) - y.sum())))


def _roc_area(true_positives: Floats, false_positives: Floats) -> np.float64:
    """The area under the curve through these counts, which begins at 0."""
    return np.float64(np.trapezoid(np.append(0.0, true_positives), np.append(0.0, false_positives)))
