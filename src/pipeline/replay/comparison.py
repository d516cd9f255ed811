"""Compares the scores that the data service computes live with those of the pipeline on the same rows."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evaluation import metrics
from pipeline.support.errors import OntimeError

Floats = npt.NDArray[np.float64]
Scores = dict[str, float | None]  # None where a score is undefined, as with rows of one class only
TOLERANCE = 1e-9  # far above what the order of a sum changes, far below what one row changes in most tables
RANKINGS = ("roc_auc", "average_precision")
SCORES = (*RANKINGS, "brier", "calibration_error")
COUNTS = ("predictions", "outcomes")
NAMES = (*SCORES, "label_rate", "outcome_rate", *COUNTS)
API_NAMES = {"brier": "brier_score"}  # in GET /performance, where they differ from those of the pipeline


class ScoresDiffer(OntimeError):
    """The data service and the pipeline score the same rows differently."""


def offline(truth: Floats, probability: Floats, threshold: float, bins: int) -> Scores:
    """The scores in NAMES of ``probability`` [n] against ``truth`` [n], by the metrics of the pipeline."""
    scores = metrics.scores(metrics.RankedScores.from_scores(truth, probability, threshold, bins))
    result: Scores = {name: scores[name] for name in SCORES}
    result |= {"label_rate": float((probability >= threshold).mean()), "outcome_rate": float(truth.mean())}
    result |= dict.fromkeys(COUNTS, len(truth))
    return result if 0 < truth.mean() < 1 else {**result, **dict.fromkeys(RANKINGS)}


def live(group: Mapping[str, Any]) -> Scores:
    """The scores in NAMES of a group of GET /performance."""
    return {name: group[API_NAMES.get(name, name)] for name in NAMES}


def difference(live: float | None, offline: float | None) -> float:
    """The absolute difference of two scores; infinite where only one side defines the score."""
    if live is None or offline is None:
        return 0.0 if live is offline else math.inf
    return abs(live - offline)


def refuse_difference(live_scores: Scores, offline_scores: Scores, most: float) -> None:
    """Raises ScoresDiffer beyond TOLERANCE; ``most`` is the largest difference between two probabilities."""
    # NaN is a difference
    names = [name for name, score in live_scores.items() if not difference(score, offline_scores[name]) <= TOLERANCE]
    if names:
        advice = (
            "the data service computes scores differently" if most <= TOLERANCE else "look at the prediction service first"
        )
        raise ScoresDiffer(
            f"Live and offline scores of the same rows should be equal within {TOLERANCE:g}; {', '.join(names)} differ. "
            f"The probabilities differ by at most {most:.2g}: {advice}."
        )
