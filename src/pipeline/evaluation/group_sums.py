"""The scores of resamples from sums of each group: a resample of millions of rows is then one product of small matrices.

Brier score, log loss, calibration error, precision, recall and F1 are exact. ROC AUC and average precision count rows in
bins of equal counts, as if the rows of a bin were evenly mixed; a probability that fills a bin has one to itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evaluation import curves, metrics
from pipeline.evaluation.metrics import METRICS, Floats, equal_count_bins
from pipeline.evaluation.ranked_rows import RankedRows

BINS = 512  # the ends of intervals are then off by less than a hundredth of their width, as test_bootstrap.py shows
BLOCK_ROWS = 1 << 17  # that are added up at once
BLOCK_GROUPS = 1 << 9  # whose counts are multiplied at once
CLASSES = 2


@dataclass(frozen=True)
class GroupSums:
    """What resamples of whole groups need of the rows.

    ``counts`` [groups, bins, 2] are rows by bin, from the highest probability, and class. ``mixed`` [bins] is 0 where all
    rows of a bin have one probability, else 1. ``totals`` [groups, 6 + calibration bins] are rows, positives, squared
    errors, log losses, rows predicted positive, those of them that are, and the errors of each calibration bin.
    """

    counts: npt.NDArray[np.uint32]
    mixed: Floats
    totals: Floats

    @classmethod
    def from_rows(cls, ranked: RankedRows, threshold: float, calibration_bins: int) -> "GroupSums":
        """Adds up rows; those at or above ``threshold`` are predicted positive."""
        starts, is_single = _score_bins(ranked.probability)
        groups = int(ranked.groups.max()) + 1
        counts = np.zeros(groups * len(starts) * CLASSES, np.uint32)
        totals = np.zeros((groups, 6 + calibration_bins))
        bins = np.repeat(np.arange(len(starts), dtype=np.uint16), np.diff(starts, append=len(ranked)))
        edges = equal_count_bins(len(ranked), calibration_bins)
        for rows in _blocks(len(ranked), BLOCK_ROWS):
            group, truth = ranked.groups[rows].astype(np.intp), ranked.truth[rows]
            np.add.at(counts, (group * len(starts) + bins[rows]) * CLASSES + truth, 1)
            own_bin = np.searchsorted(edges, np.arange(rows.start, rows.stop), side="right") - 1
            totals += _totals(ranked.probability[rows].astype(np.float64), truth, group, own_bin, threshold, totals.shape)
        return cls(counts.reshape(groups, len(starts), CLASSES), np.where(is_single, 0.0, 1.0), totals)

    def scores(self, weights: npt.ArrayLike) -> Floats:
        """Each of METRICS [resamples, metrics] where the groups count as often as ``weights`` [resamples, groups] say."""
        w = np.asarray(weights, np.float64)
        rows, positives, squared, logarithmic, predicted, true = (w @ self.totals[:, :6]).T
        bin_errors = np.abs(w @ self.totals[:, 6:]).sum(axis=1)
        negative_counts, positive_counts = np.moveaxis(self._count(w), -1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            columns = {
                "roc_auc": _roc_auc(negative_counts, positive_counts),
                "average_precision": _average_precision(negative_counts, positive_counts, self.mixed),
                "brier": squared / rows,
                "log_loss": logarithmic / rows,
                "calibration_error": bin_errors / rows,
                "precision": np.where(predicted > 0, true / predicted, 0.0),
                "recall": true / positives,
                "f1": 2 * true / (predicted + positives),
            }
        return np.column_stack([columns[metric] for metric in METRICS])

    def _count(self, weights: Floats) -> Floats:
        """The rows of the resamples [resamples, bins, 2]; sums of whole numbers are exact in any order."""
        groups, bins, classes = self.counts.shape
        flat, result = self.counts.reshape(groups, -1), np.zeros((len(weights), bins * classes))
        for block in _blocks(groups, BLOCK_GROUPS):
            result += weights[:, block] @ flat[block].astype(np.float64)
        return result.reshape(-1, bins, classes)


def exact_scores(ranked: RankedRows, sums: GroupSums) -> Floats:
    """Each of METRICS [metrics] of the rows themselves, none of them from bins; NaN where a class is absent."""
    values: Floats = sums.scores(np.ones((1, len(sums.totals))))[0]
    positives, negatives = curves.classes(ranked)
    beaten, precisions = 0, 0.0  # a tie counts as half a beaten negative row, so each is counted twice here
    for rows in _blocks(len(positives), BLOCK_ROWS):
        below, not_above = (np.searchsorted(negatives, positives[rows], side=side) for side in ("left", "right"))
        beaten += int(below.sum() + not_above.sum())
        true = len(positives) - np.searchsorted(positives, positives[rows], side="left")
        precisions += float((true / (true + len(negatives) - below)).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        values[METRICS.index("roc_auc")] = np.divide(beaten, 2 * len(positives) * len(negatives))
        values[METRICS.index("average_precision")] = np.divide(precisions, len(positives))
    return values


def _score_bins(probability: npt.NDArray[Any]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """The first row of each bin, and whether one probability has the bin to itself; equal ones are in one bin."""
    rows, ascending = len(probability), np.ascontiguousarray(probability[::-1])
    quantiles = probability[equal_count_bins(rows, BINS)]
    firsts, ends = (rows - np.searchsorted(ascending, quantiles, side=side) for side in ("right", "left"))
    is_large = (ends - firsts) * BINS >= rows
    starts = np.unique(np.concatenate([firsts, ends[is_large & (ends < rows)]]))
    return starts, np.isin(starts, firsts[is_large])


def _totals(
    probability: Floats,
    truth: npt.NDArray[np.bool_],
    group: npt.NDArray[np.intp],
    own_bin: npt.NDArray[np.intp],
    threshold: float,
    shape: tuple[int, int],
) -> Floats:
    groups, columns = shape
    squared, logarithmic = metrics.row_losses(truth.astype(np.float64), probability)
    predicted = probability >= threshold
    values = (np.ones(len(truth)), truth, squared, logarithmic, predicted, predicted & truth)
    sums = [np.bincount(group, value, groups) for value in values]
    bins = columns - len(values)
    errors = np.bincount(group * bins + own_bin, truth - probability, groups * bins)
    return np.column_stack([*sums, errors.reshape(groups, bins)])


def _roc_auc(negatives: Floats, positives: Floats) -> Floats:
    above = np.cumsum(positives, axis=1) - positives / 2
    area: Floats = (negatives * above).sum(axis=1) / (negatives.sum(axis=1) * positives.sum(axis=1))
    return area


def _average_precision(negatives: Floats, positives: Floats, mixed: Floats) -> Floats:
    """The precision of a positive row in a mixed bin is that in the middle of the bin, else that at its end."""
    true, false = (np.cumsum(counts, axis=1) - mixed * counts / 2 for counts in (positives, negatives))
    precisions = np.divide(true, true + false, where=true > 0, out=np.zeros_like(true))
    mean: Floats = (positives * precisions).sum(axis=1) / positives.sum(axis=1)
    return mean


def _blocks(count: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, count)) for start in range(0, count, size))
