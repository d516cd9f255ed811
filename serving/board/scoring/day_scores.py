"""What the data service's scores say about a day or many days: hits and misses, tenths of probability, and intervals."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

TENTHS = 10
Z = 1.959964  # of a 95 % interval of the normal distribution


class Interval(NamedTuple):
    """A value with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Tenth:
    """The predictions of a tenth of all probabilities, such as 20 to 30 %: how many, what they expected, what came true."""

    rows: int = 0
    expected: float = 0.0  # the sum of their probabilities
    positives: int = 0

    def __add__(self, other: "Tenth") -> "Tenth":
        return Tenth(self.rows + other.rows, self.expected + other.expected, self.positives + other.positives)

    @property
    def predicted(self) -> float | None:
        """The mean probability."""
        return self.expected / self.rows if self.rows else None

    @property
    def observed(self) -> Interval | None:
        """The share that came true."""
        return wilson(self.positives, self.rows) if self.rows else None


EMPTY_TENTHS = (Tenth(),) * TENTHS


@dataclass(frozen=True)
class Counts:
    """Predictions, those whose outcome is known, and of these: called true, came true, and both."""

    predictions: int = 0
    outcomes: int = 0
    called: int = 0
    positives: int = 0
    hits: int = 0
    squared_errors: float = 0.0
    tenths: tuple[Tenth, ...] = EMPTY_TENTHS

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.predictions + other.predictions,
            self.outcomes + other.outcomes,
            self.called + other.called,
            self.positives + other.positives,
            self.hits + other.hits,
            self.squared_errors + other.squared_errors,
            tuple(mine + others for mine, others in zip(self.tenths, other.tenths, strict=True)),
        )

    @property
    def misses(self) -> int:
        """Came true, and were not called."""
        return self.positives - self.hits

    @property
    def false_alarms(self) -> int:
        """Called, and did not come true."""
        return self.called - self.hits

    @property
    def correct_rejections(self) -> int:
        """Neither called nor came true."""
        return self.outcomes - self.positives - self.false_alarms

    @property
    def expected(self) -> float:
        """How many were to come true, by their probabilities."""
        return sum(tenth.expected for tenth in self.tenths)


@dataclass(frozen=True)
class DayScores:
    """The scores of one model version on one day; the intervals take its predictions for independent of each other."""

    model_version: str
    counts: Counts
    brier: Interval | None
    roc_auc: Interval | None


def day_scores(group: Mapping[str, Any]) -> DayScores:
    """The scores of a group by model version of GET /performance, whose calibration has ten equal ranges."""
    outcomes, positives = group["outcomes"], round((group["outcome_rate"] or 0) * group["outcomes"])
    called = round((group["label_rate"] or 0) * outcomes)
    brier, error = group["brier_score"], group["brier_standard_error"]
    counts = Counts(
        group["predictions"], outcomes, called, positives, round((group["recall"] or 0) * positives),
        (brier or 0.0) * outcomes, _tenths(group["calibration"]),
    )  # fmt: skip
    return DayScores(
        group["group"],
        counts,
        None if brier is None or error is None else _interval(brier, error),
        roc_auc_interval(group["roc_auc"], positives, outcomes - positives),
    )


def _tenths(bins: Sequence[Mapping[str, Any]]) -> tuple[Tenth, ...]:
    tenths = list(EMPTY_TENTHS)
    for row in bins:
        place = min(int(row["predicted"] * TENTHS), TENTHS - 1)
        tenths[place] += Tenth(row["rows"], row["rows"] * row["predicted"], round(row["rows"] * row["observed"]))
    return tuple(tenths)


def total(days: Iterable[DayScores]) -> Counts:
    """The counts of many days together."""
    return sum((day.counts for day in days), start=Counts())


def brier_of_days(days: Sequence[DayScores]) -> Interval | None:
    """The Brier score of many days, with an interval that lets whole days vary, since what happens on a day hangs together.

    A ratio of two sums over days, with the usual variance of a ratio estimator (Cochran 1977, Sampling Techniques, 6.3).
    Of a single day, its own.
    """
    scored = [day for day in days if day.brier]
    if len(scored) < 2:
        return scored[0].brier if scored else None
    sums = [(day.counts.squared_errors, day.counts.outcomes) for day in scored]
    count = sum(rows for _, rows in sums)
    brier = sum(errors for errors, _ in sums) / count
    residuals = sum((errors - brier * rows) ** 2 for errors, rows in sums)
    return _interval(brier, math.sqrt(residuals * len(sums) / (len(sums) - 1)) / count)


def mean_roc_auc(days: Sequence[DayScores]) -> Interval | None:
    """The mean of the days' ROC AUC, with the interval of a mean of days; of a single day, its own."""
    intervals = [day.roc_auc for day in days if day.roc_auc]
    if len(intervals) < 2:
        return intervals[0] if intervals else None
    values = [interval.value for interval in intervals]
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return _interval(mean, math.sqrt(variance / len(values)))


def wilson(successes: int, trials: int) -> Interval:
    """A share with its score interval (Wilson 1927, Journal of the American Statistical Association 22), for trials > 0."""
    share, scale = successes / trials, 1 + Z**2 / trials
    middle = (share + Z**2 / (2 * trials)) / scale
    half = Z / scale * math.sqrt(share * (1 - share) / trials + Z**2 / (4 * trials**2))
    return Interval(share, max(middle - half, 0.0), min(middle + half, 1.0))


def roc_auc_interval(auc: float | None, positives: int, negatives: int) -> Interval | None:
    """ROC AUC with the interval of Hanley and McNeil (1982, Radiology 143); None where there is none."""
    if auc is None or not positives or not negatives:
        return None
    both_positive, both_negative = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (
        auc * (1 - auc) + (positives - 1) * (both_positive - auc**2) + (negatives - 1) * (both_negative - auc**2)
    ) / (positives * negatives)
    return _interval(auc, math.sqrt(max(variance, 0.0)))


def _interval(value: float, standard_error: float) -> Interval:
    """Values of scores are from 0 to 1, and so are the ends."""
    return Interval(value, max(value - Z * standard_error, 0.0), min(value + Z * standard_error, 1.0))
