"""Holds a candidate against the champion: both score the same test rows, and each resample of them is drawn for both."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.diff import gate
from pipeline.evaluation import metrics
from pipeline.evaluation.metrics import Floats

ANY_THRESHOLD, ONE_BIN = 0.5, 1  # the metrics of a contest need neither


@dataclass(frozen=True)
class Difference:
    """One metric of both; ``gain`` is positive where the candidate is better, with the interval of its paired bootstrap."""

    metric: str
    champion: float
    candidate: float
    gain: float
    low: float
    high: float
    tolerance: float

    @property
    def better(self) -> bool:
        """Whether the candidate is better beyond chance."""
        return self.low > 0

    @property
    def too_bad(self) -> bool:
        """Whether the candidate may be worse by more than is tolerated; so it is where the metric is undefined."""
        return not self.low >= -self.tolerance


def differences(
    truth: Floats,
    champion: Floats,
    candidate: Floats,
    groups: npt.NDArray[np.intp],
    how: gate.Promote,
    advance: Callable[[], None] = lambda: None,
) -> list[Difference]:
    """Each metric of ``how.tolerances`` for both probabilities [n] against ``truth`` [n].

    The interval is that of the percentiles of a bootstrap in pairs (Efron and Tibshirani 1993, chapter 8), which draws whole
    ``groups`` [n]; resamples in which a metric is undefined do not count. ``advance`` is called after each.
    """
    base, head = (metrics.RankedScores.from_scores(truth, p, ANY_THRESHOLD, ONE_BIN) for p in (champion, candidate))
    drawn = []
    for weights in metrics.bootstrap_weights(groups, how.resamples, how.seed):
        of_base, of_head = metrics.scores(base, weights), metrics.scores(head, weights)
        drawn.append([gate.gain(metric, of_base[metric], of_head[metric]) for metric in how.tolerances])
        advance()
    of_base, of_head = metrics.scores(base), metrics.scores(head)
    found = []
    for (metric, tolerance), column in zip(how.tolerances.items(), np.array(drawn).T, strict=True):
        low, high = metrics.percentile_interval(column, how.confidence)
        gain = gate.gain(metric, of_base[metric], of_head[metric])
        found.append(Difference(metric, of_base[metric], of_head[metric], gain, low, high, tolerance))
    return found


def wins(found: Sequence[Difference]) -> bool:
    """Whether the candidate is better in one metric beyond chance, and in none worse than is tolerated."""
    return any(one.better for one in found) and not any(one.too_bad for one in found)


def fallen(found: Sequence[Difference], registered: Mapping[str, str]) -> str:
    """Where the champion is worse on these rows than it was on its own, by more than is tolerated; "" where it is not.

    A feature that a change broke, under the name that it had, makes any champion easy to beat.
    """
    known = ((one, float(registered.get(f"metric.{one.metric}", one.champion))) for one in found)
    return "; ".join(
        f"its {one.metric} is {one.champion:.4f} on them, and was {before:.4f} on its own"
        for one, before in known
        if gate.gain(one.metric, before, one.champion) < -one.tolerance
    )


def _too_bad(one: Difference) -> str:
    if not np.isfinite(one.low):
        return f"{one.metric} is undefined for one of them"
    both = f"{one.champion:.4f} to {one.candidate:.4f}"
    return f"{one.metric} may be worse by {-one.low:.5f} ({both}; {one.tolerance:g} is tolerated)"


def why(found: Sequence[Difference]) -> str:
    """What decided, as one clause: the metrics that are too bad, or those that are better, or that none is."""
    if worse := [one for one in found if one.too_bad]:
        return "; ".join(_too_bad(one) for one in worse)
    if better := [one for one in found if one.better]:
        return "; ".join(
            f"{one.metric} is better by {one.gain:.4f} ({one.low:.4f} to {one.high:.4f}): "
            f"{one.champion:.4f} to {one.candidate:.4f}"
            for one in better
        )
    return "; ".join(f"{one.metric} differs by {one.gain:+.4f}, within chance" for one in found)
