"""The metrics of a model with bootstrap intervals: ROC AUC, average precision, Brier score, log loss, ECE, F1.

Every metric takes row weights, so a bootstrap resample is a vector of counts over rows that are sorted once: 500 resamples
of 100,000 rows take about a second. Tests compare each metric with scikit-learn's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import sklearn.metrics

Floats = npt.NDArray[np.float64]
METRICS = ("roc_auc", "average_precision", "brier", "log_loss", "calibration_error", "precision", "recall", "f1")
DECIMALS = 6  # of scores: far finer than any interval, far coarser than the last bit, which depends on the processor
CURVE_POINTS = 201
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
        order = np.argsort(-p, kind="stable")
        p, y = p[order], y[order]
        clipped = np.clip(p, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
        return cls(
            truth=y,
            probability=p,
            order=order,
            ties=np.flatnonzero(np.append(p[1:] != p[:-1], True)),
            bins=np.unique((np.arange(bins) * len(p)) // bins),
            squared=(p - y) ** 2,
            logarithmic=-np.where(y == 1, np.log(clipped), np.log1p(-clipped)),
            predicted_positive=int(np.searchsorted(-p, -threshold, side="right")),
        )


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
        roc_area = np.trapezoid(np.append(0.0, true_positives), np.append(0.0, false_positives))
        return {
            "roc_auc": float(roc_area / (positives * negatives)),
            "average_precision": float((recall_steps * precisions).sum()),
            "brier": float((w * ranking.squared).sum() / total),
            "log_loss": float((w * ranking.logarithmic).sum() / total),
            "calibration_error": float(bin_errors.sum() / total),
            "precision": float(true_at_threshold / predicted_at_threshold) if predicted_at_threshold else 0.0,
            "recall": float(true_at_threshold / positives),
            "f1": float(2 * true_at_threshold / (predicted_at_threshold + positives)),
        }


def bootstrap_weights(groups: npt.NDArray[np.intp], count: int, seed: int) -> Iterator[Floats]:
    """Row weights [n] of ``count`` resamples of the cluster bootstrap, which draws whole groups with replacement.

    ``groups`` [n] numbers the group of each row from 0 (its day, say); single rows are the ordinary bootstrap (Efron 1979).
    """
    random = np.random.default_rng(seed)
    size = int(groups.max()) + 1
    for _ in range(count):
        yield np.bincount(random.integers(0, size, size), minlength=size).astype(np.float64)[groups]


def scores_with_intervals(
    ranking: RankedScores,
    groups: npt.NDArray[np.intp],
    count: int,
    confidence: float,
    seed: int,
    advance: Callable[[], None] = lambda: None,
) -> dict[str, dict[str, float | None]]:
    """Each metric with its bootstrap percentile interval: ``{metric: {value, low, high}}``, None where undefined.

    ``advance`` is called after each resample.
    """
    resampled = []
    for weights in bootstrap_weights(groups, count, seed):
        resampled.append(list(scores(ranking, weights).values()))
        advance()
    values = scores(ranking)
    intervals: dict[str, dict[str, float | None]] = {}
    for metric, column in zip(METRICS, np.array(resampled).T, strict=True):
        low, high = percentile_interval(column, confidence)
        ends = {"value": values[metric], "low": low, "high": high}
        intervals[metric] = {name: round(end, DECIMALS) if np.isfinite(end) else None for name, end in ends.items()}
    return intervals


def percentile_interval(resampled: Floats, confidence: float) -> tuple[float, float]:
    """The bootstrap percentile interval of a metric's resampled values [resamples]; NaN, where undefined, is left out."""
    defined = resampled[np.isfinite(resampled)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail]) if len(defined) else (np.nan, np.nan)
    return float(low), float(high)


def roc_curve(ranking: RankedScores) -> pd.DataFrame:
    """The ROC curve at evenly spaced false-positive rates."""
    false_positive_rate, true_positive_rate, _ = sklearn.metrics.roc_curve(ranking.truth, ranking.probability)
    grid = np.linspace(0, 1, CURVE_POINTS)
    interpolated = np.interp(grid, false_positive_rate, true_positive_rate)
    return pd.DataFrame({"false_positive_rate": grid, "true_positive_rate": interpolated}).round(4)


def precision_recall_curve(ranking: RankedScores) -> pd.DataFrame:
    """The best precision at each of evenly spaced recalls, over the thresholds that reach it (interpolated precision)."""
    precision, recall, _ = sklearn.metrics.precision_recall_curve(ranking.truth, ranking.probability)
    best_precision = np.maximum.accumulate(precision[:-1])[::-1]
    grid = np.linspace(0, 1, CURVE_POINTS)[1:]
    first = np.searchsorted(recall[-2::-1], grid - 1e-12)
    return pd.DataFrame({"recall": grid, "precision": best_precision[first]}).round(4)


def calibration_table(ranking: RankedScores) -> pd.DataFrame:
    """The calibration curve (reliability diagram): rows, mean prediction and observed share of each equal-count bin."""
    rows = np.diff(np.append(ranking.bins, len(ranking.truth)))
    predicted, observed = (np.add.reduceat(x, ranking.bins) / rows for x in (ranking.probability, ranking.truth))
    return pd.DataFrame({"rows": rows, "predicted": predicted, "observed": observed})[::-1].round(4)
