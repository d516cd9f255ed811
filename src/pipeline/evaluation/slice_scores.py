"""Everything that is said of a model on the test table: scores with intervals, the same by slice, and the curves."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.config.settings import Evaluate
from pipeline.data import slices
from pipeline.evaluation import metrics

Scores = dict[str, dict[str, float | None]]


@dataclass(frozen=True)
class Slicing:
    """By what a test table is cut (``column`` or ``column.part``), and what the bootstrap draws whole: None for rows."""

    slices: tuple[str, ...]
    resample_by: str | None


@dataclass(frozen=True)
class Evaluation:
    """Scores of the whole test table, one row per slice and metric, and the points of three curves."""

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
    ranking = metrics.RankedScores.of(truth, probability, threshold, settings.calibration_bins)
    groups = slices.groups(test, by.resample_by)

    def score(rows: npt.NDArray[np.intp]) -> Scores:
        part = metrics.RankedScores.of(truth[rows], probability[rows], threshold, settings.calibration_bins)
        _, own_groups = np.unique(groups[rows], return_inverse=True)
        return metrics.with_intervals(part, own_groups, settings.resamples, settings.confidence, settings.seed, advance)

    return Evaluation(
        overall=score(np.arange(len(test))),
        slices=_by_slice(parts(test, by, settings), truth, score),
        roc=metrics.roc_curve(ranking),
        precision_recall=metrics.precision_recall_curve(ranking),
        calibration=metrics.calibration_table(ranking),
    )


def parts(test: pd.DataFrame, by: Slicing, settings: Evaluate) -> list[tuple[str, str, npt.NDArray[np.intp]]]:
    """The slices of the test table: (by, value, row numbers), small values of one ``by`` pooled."""
    found = []
    for name in by.slices:
        names = slices.pooled(slices.values(test, name), settings.smallest_slice).to_numpy()
        found += [(name, value, np.flatnonzero(names == value)) for value in sorted(set(names))]
    return found


def _by_slice(
    found: list[tuple[str, str, npt.NDArray[np.intp]]],
    truth: npt.NDArray[np.float64],
    score: Callable[[npt.NDArray[np.intp]], Scores],
) -> pd.DataFrame:
    rows = []
    for by, value, where in found:
        about = {"by": by, "slice": value, "rows": len(where), "rate": round(float(truth[where].mean()), 4)}
        rows += [{**about, "metric": metric, **interval} for metric, interval in score(where).items()]
    return pd.DataFrame(rows, columns=["by", "slice", "rows", "rate", "metric", "value", "low", "high"])
