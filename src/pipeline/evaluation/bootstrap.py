"""Bootstrap intervals of the metrics, from resamples of rows or, where there are many, of the sums of their groups."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pipeline.evaluation import metrics
from pipeline.evaluation.group_sums import GroupSums, exact_scores
from pipeline.evaluation.metrics import DECIMALS, METRICS, Floats, RankedScores
from pipeline.evaluation.ranked_rows import RankedRows

EXACT_ROWS = 200_000  # 500 resamples of more rows take seconds and memory that grow with them; sums of groups take neither
MOST_GROUPS = 10_000  # 27 years of days; more groups are drawn in so many bundles, which makes no interval visibly wider
RESAMPLES_AT_ONCE = 500
Scores = dict[str, dict[str, float | None]]


def resample(
    ranked: RankedRows,
    threshold: float,
    calibration_bins: int,
    count: int,
    seed: int,
    exact_rows: int = EXACT_ROWS,
    advance: Callable[[], None] = lambda: None,
) -> tuple[Floats, Floats]:
    """Each of METRICS [metrics] of the rows, and of ``count`` resamples of their groups [count, metrics].

    The values of the rows are exact. So are those of the resamples of up to ``exact_rows`` rows; of more, ROC AUC and
    average precision come from bins (pipeline.evaluation.group_sums), and are moved by what the bins make of the rows
    themselves, so that they scatter around the exact values. ``advance`` is called for each resample.
    """
    if len(ranked) <= exact_rows:
        ranking = RankedScores.from_scores(ranked.truth, ranked.probability, threshold, calibration_bins)
        weights = _followed(bootstrap_weights(ranked.groups, count, seed), advance)
        resampled = np.array([[*metrics.scores(ranking, row_weights).values()] for row_weights in weights])
        return np.array([*metrics.scores(ranking).values()]), resampled
    bundled = bundle_groups(ranked, seed)
    sums = GroupSums.from_rows(bundled, threshold, calibration_bins)
    values, (from_bins,) = exact_scores(ranked, sums), sums.scores(np.ones((1, len(sums.totals))))
    weights = _followed(bootstrap_weights(np.arange(len(sums.totals)), count, seed), advance)
    resampled = np.concatenate([sums.scores(part) for part in _stacks(weights, count)])
    return values, resampled + (values - from_bins)


def intervals(values: Floats, resampled: Floats, confidence: float) -> Scores:
    """Each metric with its bootstrap percentile interval: ``{metric: {value, low, high}}``, None where undefined."""
    result: Scores = {}
    for metric, value, column in zip(METRICS, values, resampled.T, strict=True):
        low, high = percentile_interval(column, confidence)
        ends = {"value": value, "low": low, "high": high}
        result[metric] = {name: round(float(end), DECIMALS) if np.isfinite(end) else None for name, end in ends.items()}
    return result


def percentile_interval(resampled: Floats, confidence: float) -> tuple[float, float]:
    """The bootstrap percentile interval of a metric's resampled values [resamples]; NaN, where undefined, is left out."""
    defined = resampled[np.isfinite(resampled)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail]) if len(defined) else (np.nan, np.nan)
    return float(low), float(high)


def bootstrap_weights(groups: npt.NDArray[np.intp], count: int, seed: int) -> Iterator[Floats]:
    """Row weights [n] of ``count`` resamples of the cluster bootstrap, which draws whole groups with replacement.

    ``groups`` [n] numbers the group of each row from 0 (its day, say); single rows are the ordinary bootstrap (Efron 1979).
    """
    random = np.random.default_rng(seed)
    size = int(groups.max()) + 1
    for _ in range(count):
        yield np.bincount(random.integers(0, size, size), minlength=size).astype(np.float64)[groups]


def bundle_groups(ranked: RankedRows, seed: int) -> RankedRows:
    """The rows with their groups put at random into MOST_GROUPS bundles, where there are more groups than that.

    What is drawn is still whole groups, so rows that depend on each other stay together.
    """
    count = int(ranked.groups.max()) + 1
    if count <= MOST_GROUPS:
        return ranked
    bundles = np.random.default_rng(seed).permutation(np.arange(count, dtype=np.int32)) % MOST_GROUPS
    return replace(ranked, groups=bundles[ranked.groups])


def _followed(weights: Iterator[Floats], advance: Callable[[], None]) -> Iterator[Floats]:
    for resample_weights in weights:
        advance()
        yield resample_weights


def _stacks(weights: Iterator[Floats], count: int) -> Iterator[Floats]:
    for start in range(0, count, RESAMPLES_AT_ONCE):
        yield np.stack([next(weights) for _ in range(start, min(start + RESAMPLES_AT_ONCE, count))])
