"""Scores probabilities against the truth, with bootstrap intervals.

Every score takes row weights, so a resample is a vector of counts on rows that are sorted once; this makes 500 resamples of
100,000 rows a matter of a second. Tests hold each score to scikit-learn's own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
METRICS = ("roc_auc", "average_precision", "brier", "log_loss", "calibration_error", "precision", "recall", "f1")
DECIMALS = 6  # of scores: far finer than any interval, far coarser than another processor's last bit
CURVE_POINTS = 201
SMALLEST_PROBABILITY = 1e-15  # where the logarithm of the log loss is cut off


@dataclass(frozen=True)
class RankedScores:
    """Rows from the highest probability to the lowest, with what every resample of them needs."""

    truth: Floats
    probability: Floats
    order: npt.NDArray[np.intp]
    ties: npt.NDArray[np.intp]
    bins: npt.NDArray[np.intp]
    squared: Floats
    logarithmic: Floats
    called: int

    @classmethod
    def of(cls, truth: npt.ArrayLike, probability: npt.ArrayLike, threshold: float, bins: int) -> "RankedScores":
        """Sorts ``truth`` [n] (0 or 1) by ``probability`` [n]; cases at or above ``threshold`` are called positive."""
        p, y = np.asarray(probability, np.float64), np.asarray(truth, np.float64)
        order = np.argsort(-p, kind="stable")
        p, y = p[order], y[order]
        cut = np.clip(p, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
        return cls(
            truth=y,
            probability=p,
            order=order,
            ties=np.flatnonzero(np.append(p[1:] != p[:-1], True)),
            bins=np.unique((np.arange(bins) * len(p)) // bins),
            squared=(p - y) ** 2,
            logarithmic=-np.where(y == 1, np.log(cut), np.log1p(-cut)),
            called=int(np.searchsorted(-p, -threshold, side="right")),
        )


def scores(ranking: RankedScores, weights: Floats | None = None) -> dict[str, float]:
    """Each of METRICS; ``weights`` [n] count the rows in their original order. NaN where a class is absent.

    The calibration error is the mean over rows of |predicted - observed| of their equal-count bin.
    """
    w = np.ones(len(ranking.truth)) if weights is None else np.asarray(weights, np.float64)[ranking.order]
    hits = w * ranking.truth
    total, positives = w.sum(), hits.sum()
    negatives = total - positives
    true, called = np.cumsum(hits)[ranking.ties], np.cumsum(w)[ranking.ties]
    false = called - true
    with np.errstate(divide="ignore", invalid="ignore"):
        recall_steps = np.diff(true, prepend=0.0) / positives
        true_positives, called_positive = hits[: ranking.called].sum(), w[: ranking.called].sum()
        gaps = np.abs(np.add.reduceat(hits - w * ranking.probability, ranking.bins))
        return {
            "roc_auc": float(np.trapezoid(np.append(0.0, true), np.append(0.0, false)) / (positives * negatives)),
            "average_precision": float(
                (recall_steps * np.divide(true, called, where=called > 0, out=np.zeros_like(true))).sum()
            ),
            "brier": float((w * ranking.squared).sum() / total),
            "log_loss": float((w * ranking.logarithmic).sum() / total),
            "calibration_error": float(gaps.sum() / total),
            "precision": float(true_positives / called_positive) if called_positive else 0.0,
            "recall": float(true_positives / positives),
            "f1": float(2 * true_positives / (called_positive + positives)),
        }


def resamples(groups: npt.NDArray[np.intp], count: int, seed: int) -> Iterator[Floats]:
    """Row weights [n] of ``count`` bootstrap resamples that draw whole groups (days, for one) with replacement.

    ``groups`` [n] numbers the group of each row from 0; one group per row is the ordinary bootstrap (Efron 1979).
    """
    random = np.random.default_rng(seed)
    size = int(groups.max()) + 1
    for _ in range(count):
        yield np.bincount(random.integers(0, size, size), minlength=size).astype(np.float64)[groups]


def with_intervals(
    ranking: RankedScores,
    groups: npt.NDArray[np.intp],
    count: int,
    confidence: float,
    seed: int,
    advance: Callable[[], None] = lambda: None,
) -> dict[str, dict[str, float | None]]:
    """Each score with the percentile interval of its bootstrap: ``{metric: {value, low, high}}``, None if undefined."""
    drawn = []
    for weights in resamples(groups, count, seed):
        drawn.append(list(scores(ranking, weights).values()))
        advance()
    table = np.array(drawn)
    values = scores(ranking)
    result: dict[str, dict[str, float | None]] = {}
    for metric, column in zip(METRICS, table.T, strict=True):
        low, high = percentile_interval(column, confidence)
        result[metric] = {"value": _rounded(values[metric]), "low": _rounded(low), "high": _rounded(high)}
    return result


def percentile_interval(drawn: Floats, confidence: float) -> tuple[float, float]:
    """What the middle ``confidence`` of a bootstrap's values [resamples] spans; NaN ones, undefined there, do not count."""
    known = drawn[np.isfinite(drawn)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(known, [tail, 1 - tail]) if len(known) else (np.nan, np.nan)
    return float(low), float(high)


def roc_curve(ranking: RankedScores) -> pd.DataFrame:
    """The ROC curve at evenly spaced false-positive rates."""
    false = np.append(0.0, np.cumsum(1 - ranking.truth)[ranking.ties] / (1 - ranking.truth).sum())
    true = np.append(0.0, np.cumsum(ranking.truth)[ranking.ties] / ranking.truth.sum())
    grid = np.linspace(0, 1, CURVE_POINTS)
    return pd.DataFrame({"false_positive_rate": grid, "true_positive_rate": np.interp(grid, false, true)}).round(4)


def precision_recall_curve(ranking: RankedScores) -> pd.DataFrame:
    """Precision at evenly spaced recalls: the best that still reaches each."""
    true, called = np.cumsum(ranking.truth)[ranking.ties], ranking.ties + 1.0
    best = np.maximum.accumulate((true / called)[::-1])[::-1]
    grid = np.linspace(0, 1, CURVE_POINTS)[1:]
    at = np.searchsorted(true / true[-1], grid - 1e-12)
    return pd.DataFrame({"recall": grid, "precision": best[at]}).round(4)


def calibration_table(ranking: RankedScores) -> pd.DataFrame:
    """Per equal-count bin: its rows, the mean probability predicted and the share observed."""
    rows = np.diff(np.append(ranking.bins, len(ranking.truth)))
    predicted, observed = (np.add.reduceat(x, ranking.bins) / rows for x in (ranking.probability, ranking.truth))
    return pd.DataFrame({"rows": rows, "predicted": predicted, "observed": observed})[::-1].round(4)


def _rounded(value: float) -> float | None:
    return round(float(value), DECIMALS) if np.isfinite(value) else None
