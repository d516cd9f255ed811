"""The evaluation of a model on the test table: metrics with intervals, overall and by slice, and three curves."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.config.settings import Evaluate
from pipeline.data import slices
from pipeline.evaluation import metrics

LARGE_GAP = 0.1  # between a predicted probability and the share observed, worth a sentence
Scores = dict[str, dict[str, float | None]]


@dataclass(frozen=True)
class Slicing:
    """The columns (or ``column.part``) whose values are slices, and the one whose values the bootstrap draws whole.

    Without ``resample_by`` the bootstrap draws single rows.
    """

    slices: tuple[str, ...]
    resample_by: str | None


@dataclass(frozen=True)
class Evaluation:
    """Metrics of the whole test table, a table with one row per slice and metric, and the points of three curves."""

    overall: Scores
    slices: pd.DataFrame
    roc: pd.DataFrame
    precision_recall: pd.DataFrame
    calibration: pd.DataFrame

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
    test: pd.DataFrame,
    truth: npt.NDArray[np.float64],
    probability: npt.NDArray[np.float64],
    threshold: float,
    by: Slicing,
    settings: Evaluate,
    advance: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Scores ``probability`` [n] against ``truth`` [n]; ``advance`` is called after each resample of each part."""
    ranking = metrics.RankedScores.from_scores(truth, probability, threshold, settings.calibration_bins)
    groups = slices.resampling_groups(test, by.resample_by)

    def score(rows: npt.NDArray[np.intp]) -> Scores:
        part = metrics.RankedScores.from_scores(truth[rows], probability[rows], threshold, settings.calibration_bins)
        _, own_groups = np.unique(groups[rows], return_inverse=True)
        return metrics.scores_with_intervals(
            part, own_groups, settings.resamples, settings.confidence, settings.seed, advance
        )

    return Evaluation(
        overall=score(np.arange(len(test))),
        slices=_score_slices(slice_rows(test, by, settings), truth, score),
        roc=metrics.roc_curve(ranking),
        precision_recall=metrics.precision_recall_curve(ranking),
        calibration=metrics.calibration_table(ranking),
    )


def slice_rows(test: pd.DataFrame, by: Slicing, settings: Evaluate) -> list[tuple[str, str, npt.NDArray[np.intp]]]:
    """The slices of the test table as (by, value, row numbers); values of few rows are pooled."""
    result = []
    for name in by.slices:
        labels = slices.pool_small(slices.label_rows(test, name), settings.smallest_slice).to_numpy()
        result += [(name, value, np.flatnonzero(labels == value)) for value in sorted(set(labels))]
    return result


def _score_slices(
    slices_with_rows: list[tuple[str, str, npt.NDArray[np.intp]]],
    truth: npt.NDArray[np.float64],
    score: Callable[[npt.NDArray[np.intp]], Scores],
) -> pd.DataFrame:
    rows = []
    for by, value, members in slices_with_rows:
        cells = {"by": by, "slice": value, "rows": len(members), "rate": round(float(truth[members].mean()), 4)}
        rows += [{**cells, "metric": metric, **interval} for metric, interval in score(members).items()]
    return pd.DataFrame(rows, columns=["by", "slice", "rows", "rate", "metric", "value", "low", "high"])
