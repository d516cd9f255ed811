"""Compares the scores that the data service computes live with those of the pipeline on the same rows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evaluation import metrics
from pipeline.support.errors import OntimeError

Floats = npt.NDArray[np.float64]
TOLERANCE = 1e-9  # far above what the order of a sum changes, far below what one row changes in most tables
# The names in GET /performance: those of the pipeline.
SCORES = {
    "roc_auc": "roc_auc",
    "average_precision": "average_precision",
    "brier_score": "brier",
    "calibration_error": "calibration_error",
}
RANKINGS = ("roc_auc", "average_precision")
COUNTS = ("predictions", "outcomes")
RATES = ("label_rate", "outcome_rate")
NAMES = (*SCORES.values(), *RATES, *COUNTS)


class ScoresDiffer(OntimeError):
    """The data service and the pipeline score the same rows differently."""


@dataclass(frozen=True)
class ScoreComparison:
    """One score on both sides, None where it is undefined, as with rows of one class only."""

    name: str
    live: float | None
    offline: float | None

    @property
    def difference(self) -> float:
        """The absolute difference; infinite where only one side defines the score."""
        if self.live is None or self.offline is None:
            return 0.0 if self.live is self.offline else math.inf
        return abs(self.live - self.offline)


def offline(truth: Floats, probability: Floats, threshold: float, bins: int) -> dict[str, float | None]:
    """The scores in NAMES of ``probability`` [n] against ``truth`` [n], by the metrics of the pipeline.

    ROC AUC and average precision are None where the rows have one class only.
    """
    scores = metrics.scores(metrics.RankedScores.from_scores(truth, probability, threshold, bins))
    result: dict[str, float | None] = {name: scores[name] for name in SCORES.values()}
    result |= {"label_rate": float((probability >= threshold).mean()), "outcome_rate": float(truth.mean())}
    result |= dict.fromkeys(COUNTS, len(truth))
    return result if 0 < truth.mean() < 1 else {**result, **dict.fromkeys(RANKINGS)}


def live(group: Mapping[str, Any]) -> dict[str, float | None]:
    """The scores in NAMES of a group of GET /performance."""
    return {SCORES.get(name, name): group[name] for name in (*SCORES, *RATES, *COUNTS)}


def compare(live_scores: Mapping[str, float | None], offline_scores: Mapping[str, float | None]) -> list[ScoreComparison]:
    """Both sides of each score in NAMES."""
    return [ScoreComparison(name, live_scores[name], offline_scores[name]) for name in NAMES]


def refuse_difference(lines: Sequence[ScoreComparison], most: float) -> None:
    """Raises ScoresDiffer beyond TOLERANCE; ``most`` is the largest difference between two probabilities."""
    names = [line.name for line in lines if not line.difference <= TOLERANCE]  # NaN is a difference
    if names:
        advice = (
            "the data service computes scores differently" if most <= TOLERANCE else "look at the prediction service first"
        )
        raise ScoresDiffer(
            f"Live and offline scores of the same rows should be equal within {TOLERANCE:g}; {', '.join(names)} differ. "
            f"The probabilities differ by at most {most:.2g}: {advice}."
        )
