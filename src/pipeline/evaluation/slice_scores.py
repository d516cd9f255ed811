"""The evaluation of a model on the test table: metrics with intervals, overall and by slice, and three curves."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.compute import Engine, LocalEngine
from pipeline.config.settings import Evaluate
from pipeline.data.slices import Labels
from pipeline.evaluation import bootstrap, curves
from pipeline.evaluation.bootstrap import EXACT_ROWS, MOST_GROUPS, Scores
from pipeline.evaluation.metrics import rank
from pipeline.evaluation.ranked_rows import RankedRows
from pipeline.evaluation.row_labels import RowLabels

LARGE_GAP = 0.1  # between a predicted probability and the share observed, worth a sentence


@dataclass(frozen=True)
class Evaluation:
    """Metrics of the whole test table, a table with one row per slice and metric, and the points of three curves.

    ``binned_above`` is the number of rows above which intervals come from bins of scores, where the table has more;
    ``bundled_groups`` is the number of groups, where there are so many that resamples draw bundles of them.
    """

    overall: Scores
    slices: pd.DataFrame
    roc: pd.DataFrame
    precision_recall: pd.DataFrame
    calibration: pd.DataFrame
    binned_above: int | None = None
    bundled_groups: int | None = None

    @property
    def rate(self) -> float:
        """The share of positive rows in the whole test table."""
        bins = self.calibration
        return float((bins["rows"] * bins["observed"]).sum() / bins["rows"].sum())

    @property
    def miscalibrated_bin(self) -> dict[str, float] | None:
        """The bin of the calibration curve that is furthest off, by more than LARGE_GAP and more than chance explains."""
        bins = self.calibration
        gaps = (bins["observed"] - bins["predicted"]).abs()
        standard_errors = np.sqrt(bins["predicted"] * (1 - bins["predicted"]) / bins["rows"])
        gaps = gaps[(gaps > LARGE_GAP) & (gaps > 3 * standard_errors)]
        return bins.loc[gaps.idxmax()].to_dict() if len(gaps) else None


def evaluate(
    labels: RowLabels,
    probability: npt.NDArray[Any],
    threshold: float,
    settings: Evaluate,
    advance: Callable[[], None] = lambda: None,
    engine: Engine | None = None,
    exact_rows: int = EXACT_ROWS,
) -> Evaluation:
    """Scores the ``probability`` [n] of labelled rows, with ``engine`` or here; ``advance`` is called after each part.

    Parts of more than ``exact_rows`` rows have their intervals from bins of scores; everything else is exact.
    """
    ranked, slices = _rank(labels, probability)
    score = partial(score_part, threshold, settings, exact_rows)
    scores = (engine or LocalEngine()).map(score, _parts(ranked, slices), advance)
    overall = next(scores)
    groups, is_binned = int(ranked.groups.max()) + 1, len(ranked) > exact_rows
    return Evaluation(
        overall=overall,
        slices=_slice_table(labels, scores),
        roc=curves.roc_curve(ranked),
        precision_recall=curves.precision_recall_curve(ranked),
        calibration=curves.calibration_table(ranked, settings.calibration_bins),
        binned_above=exact_rows if is_binned else None,
        bundled_groups=groups if is_binned and groups > MOST_GROUPS else None,
    )


def score_part(threshold: float, settings: Evaluate, exact_rows: int, ranked: RankedRows) -> Scores:
    """The metrics of some rows with their intervals."""
    values, resampled = bootstrap.resample(
        ranked, threshold, settings.calibration_bins, settings.resamples, settings.seed, exact_rows
    )
    return bootstrap.intervals(values, resampled, settings.confidence)


def _rank(labels: RowLabels, probability: npt.NDArray[Any]) -> tuple[RankedRows, list[Labels]]:
    """The rows from the highest probability to the lowest, and the labels of each slicing in that order."""
    order = rank(probability)
    slices = [Labels(sliced.values, sliced.codes[order]) for sliced in labels.slices.values()]
    return RankedRows(probability[order], labels.truth[order], labels.groups[order]), slices


def _parts(ranked: RankedRows, slices: list[Labels]) -> Iterator[RankedRows]:
    """All rows, then those of each slice."""
    yield ranked
    for sliced in slices:
        for number in range(len(sliced.values)):
            yield ranked.select(np.flatnonzero(sliced.codes == number))


def _slice_table(labels: RowLabels, scores: Iterator[Scores]) -> pd.DataFrame:
    rows = []
    for by, sliced in labels.slices.items():
        counts = np.bincount(sliced.codes, minlength=len(sliced.values))
        positives = np.bincount(sliced.codes[labels.truth], minlength=len(sliced.values))
        for value, count, positive in zip(sliced.values, counts.tolist(), positives.tolist(), strict=True):
            cells = {"by": by, "slice": value, "rows": count, "rate": round(positive / count, 4)}
            rows += [{**cells, "metric": metric, **interval} for metric, interval in next(scores).items()]
    return pd.DataFrame(rows, columns=["by", "slice", "rows", "rate", "metric", "value", "low", "high"])
