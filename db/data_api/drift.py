"""Drift of recent predictions against the training rows: the population stability index (PSI) of each column.

PSI = Σ (a - e) · ln(a / e) over the bins of a column, where ``a`` is the share of recent rows in a bin and ``e`` that of
training rows (Siddiqi, Credit Risk Scorecards, 2006: below 0.1 is little drift, above 0.25 much). Without drift it is not
zero, but near (bins - 1) · (1/n + 1/m) for n and m rows (Yurdakul and Naranjo, Statistical properties of the population
stability index, 2020): hence few bins, and no index of few rows. Datetimes have no index, because they always move.

A window of hours or days sees less varied weather than months do, so the index of the columns that depend on the weather,
and of the probability, is higher without any fault. In three days of the flights' own training months the median is 3.6 for
the pressure, 0.2 for the probability and 0.003 for the carrier. Compare a column with its own past in the same window.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from typing import Any

FLOOR = 1e-4  # the share of an empty bin; with a smaller one, a single row among hundreds would look like much drift
RARE = 0.02  # categories below this share of the training rows are one bin, because single bins would be mostly noise
MIN_ROWS = 200  # with twenty bins, chance alone gives 0.1
ROUNDING = 1e-6  # edges are written with six significant digits, and values come as single or double precision
MISSING = 0
FindBin = Callable[[Any], int]


@dataclass
class BinCounts:
    """The bins of one column, with the share of the training rows and the count of recent rows in each."""

    find_bin: FindBin
    expected: Sequence[float]
    counts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = [0] * len(self.expected)

    def add(self, value: Any) -> None:
        """Counts one value; None is missing."""
        self.counts[self.find_bin(value)] += 1

    def index(self) -> float | None:
        """The population stability index, or None for fewer than MIN_ROWS rows."""
        return psi(self.expected, self.counts) if sum(self.counts) >= MIN_ROWS else None


def psi(expected: Sequence[float], counts: Sequence[int]) -> float:
    """The population stability index of expected shares and actual counts; at least one count must be positive."""
    total = sum(counts)
    pairs = [(max(share, FLOOR), max(count / total, FLOOR)) for share, count in zip(expected, counts, strict=True)]
    return sum((actual - share) * log(actual / share) for share, actual in pairs)


def empty_bins(reference: Mapping[str, Any]) -> BinCounts:
    """Bins with zero counts for a column of ``schema.json``: by quantiles if it has edges, else by categories.

    The first bin is for missing values. The last bin of categories is for rare ones, and for those not in training.
    """
    present = 1 - reference["missing"]
    if "edges" in reference:
        shares = [present * share for share in reference["shares"]]
        return BinCounts(_find_quantile(reference["edges"]), [reference["missing"], *shares])
    frequent = {name: present * share for name, share in reference["shares"].items() if share >= RARE}
    other = max(0.0, present - sum(frequent.values()))
    return BinCounts(_find_category(list(frequent)), [reference["missing"], *frequent.values(), other])


def _find_quantile(edges: Sequence[float]) -> FindBin:
    """Finds the bin of a number; a value that equals an edge belongs below it, and anything but a number is missing."""
    widened = [edge + ROUNDING * abs(edge) for edge in edges]

    def find_bin(value: Any) -> int:
        return 1 + bisect_left(widened, value) if isinstance(value, int | float) else MISSING

    return find_bin


def _find_category(names: Sequence[str]) -> FindBin:
    bins = {name: number for number, name in enumerate(names, 1)}
    other = len(names) + 1

    def find_bin(value: Any) -> int:
        if value is None:
            return MISSING
        return bins.get(value, other) if isinstance(value, str) else other

    return find_bin


class Window:
    """The recent predictions of one window, counted by column, and their probabilities."""

    def __init__(self, reference: Mapping[str, Any]) -> None:
        self.rows = 0
        self._columns = {name: empty_bins(column) for name, column in reference["columns"].items()}
        self._probability = empty_bins(reference["probability"]) if reference["probability"] else None

    def add(self, features: Mapping[str, Any], probability: float) -> None:
        """Counts one prediction; a column that is not among its features counts as missing."""
        self.rows += 1
        for name, column in self._columns.items():
            column.add(features.get(name))
        if self._probability:
            self._probability.add(probability)

    def columns(self) -> dict[str, float]:
        """The index of each column that has one."""
        return {name: index for name, column in self._columns.items() if (index := column.index()) is not None}

    def probability(self) -> float | None:
        """The index of the probability, or None if it has none."""
        return self._probability.index() if self._probability else None
