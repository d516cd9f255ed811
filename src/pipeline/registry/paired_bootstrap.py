"""The paired bootstrap: compares a candidate with the champion on the same resamples of the same test rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.diff import gate_settings
from pipeline.evaluation import bootstrap
from pipeline.evaluation.metrics import METRICS
from pipeline.evaluation.ranked_rows import RankedRows

ANY_THRESHOLD, ONE_BIN = 0.5, 1  # the metrics of conf/gate.yaml's `promote` depend on neither


@dataclass(frozen=True)
class Difference:
    """One metric of both models; ``gain``, with its interval, is positive where the candidate is better."""

    metric: str
    champion: float
    candidate: float
    gain: float
    low: float
    high: float
    tolerance: float

    @property
    def is_better(self) -> bool:
        """Whether the candidate is significantly better: the whole interval of the gain is above 0."""
        return self.low > 0

    @property
    def exceeds_tolerance(self) -> bool:
        """Whether the candidate may be worse by more than is tolerated; True where the metric is undefined."""
        return not self.low >= -self.tolerance


def differences(
    truth: npt.NDArray[Any],
    champion: npt.NDArray[Any],
    candidate: npt.NDArray[Any],
    groups: npt.NDArray[Any],
    settings: gate_settings.Promote,
    advance: Callable[[], None] = lambda: None,
) -> list[Difference]:
    """The difference in each metric of ``settings.tolerances`` between two probabilities [n] for the same ``truth`` [n].

    Intervals are percentile intervals of the paired bootstrap (Efron and Tibshirani 1993, chapter 8), which draws whole
    ``groups`` [n]; resamples in which a metric is undefined are left out. Of a large table they come from bins of scores, as
    those of evaluate do. ``advance`` is called for each resample of each model.
    """
    (old, old_resampled), (new, new_resampled) = (
        bootstrap.resample(
            RankedRows.from_rows(truth, p, groups),
            ANY_THRESHOLD,
            ONE_BIN,
            settings.resamples,
            settings.seed,
            advance=advance,
        )
        for p in (champion, candidate)
    )
    result = []
    for metric, tolerance in settings.tolerances.items():
        place = METRICS.index(metric)
        resampled = zip(old_resampled[:, place], new_resampled[:, place], strict=True)
        gains = np.array([gate_settings.gain(metric, *pair) for pair in resampled])
        low, high = bootstrap.percentile_interval(gains, settings.confidence)
        both = float(old[place]), float(new[place])
        result.append(Difference(metric, *both, gate_settings.gain(metric, *both), low, high, tolerance))
    return result


def beats_champion(differences: Sequence[Difference]) -> bool:
    """Whether the candidate is significantly better in a metric, and worse than is tolerated in none."""
    return any(metric.is_better for metric in differences) and not any(metric.exceeds_tolerance for metric in differences)


def explain_degradation(differences: Sequence[Difference], registered: Mapping[str, str]) -> str:
    """In which metrics the champion is worse on these rows than when it was registered; "" where in none.

    Only losses beyond the tolerance count. A broken feature under its old name makes any champion easy to beat.
    """
    scores = ((metric, float(registered.get(f"metric.{metric.metric}", metric.champion))) for metric in differences)
    return "; ".join(
        f"its {metric.metric} is {metric.champion:.4f} on them, and was {registered_score:.4f} on its own"
        for metric, registered_score in scores
        if gate_settings.gain(metric.metric, registered_score, metric.champion) < -metric.tolerance
    )


def explain_decision(differences: Sequence[Difference]) -> str:
    """The reason of the decision in a clause: the metrics that are too much worse, else the better ones, else all."""
    if worse := [metric for metric in differences if metric.exceeds_tolerance]:
        return "; ".join(_explain_loss(metric) for metric in worse)
    if better := [metric for metric in differences if metric.is_better]:
        return "; ".join(
            f"{metric.metric} is better by {metric.gain:.4f} ({metric.low:.4f} to {metric.high:.4f}): "
            f"{metric.champion:.4f} to {metric.candidate:.4f}"
            for metric in better
        )
    return "; ".join(f"{metric.metric} differs by {metric.gain:+.4f}, within chance" for metric in differences)


def _explain_loss(metric: Difference) -> str:
    if not np.isfinite(metric.low):
        return f"{metric.metric} is undefined for one of them"
    both = f"{metric.champion:.4f} to {metric.candidate:.4f}"
    return f"{metric.metric} may be worse by {-metric.low:.5f} ({both}; {metric.tolerance:g} is tolerated)"
