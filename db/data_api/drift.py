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
from collections.abc import Mapping, Sequence
from math import log
from typing import Any

FLOOR = 1e-4  # the share of an empty bin; with a smaller one, a single row among hundreds would look like much drift
RARE = 0.02  # categories below this share of the training rows are one bin, because single bins would be mostly noise
MIN_ROWS = 200  # with twenty bins, chance alone gives 0.1
ROUNDING = 1e-6  # edges are written with six significant digits, and values come as single or double precision
MISSING, OTHER = 0, -1  # the first bin and the last


class BinCounts:
    """The bins of a column of ``schema.json``, with the share of the training rows and the count of recent rows in each.

    A column with edges has bins by quantiles, another one by categories. The first bin is for missing values. The last bin
    of categories is for rare ones, and for those not in training.
    """

    def __init__(self, reference: Mapping[str, Any]) -> None:
        present, shares = 1 - reference["missing"], reference["shares"]
        self._edges: list[float] | None = None
        self._bins: dict[str | None, int] = {None: MISSING}
        if "edges" in reference:
            self._edges = [edge + ROUNDING * abs(edge) for edge in reference["edges"]]
            self.expected = [reference["missing"], *(present * share for share in shares)]
        else:
            frequent = {name: present * share for name, share in shares.items() if share >= RARE}
            self._bins |= {name: number for number, name in enumerate(frequent, 1)}
            self.expected = [reference["missing"], *frequent.values(), max(0.0, present - sum(frequent.values()))]
        self.counts = [0] * len(self.expected)

    def add(self, value: Any) -> None:
        """Counts one value; None is missing. A value that equals an edge belongs to the bin below it."""
        if self._edges is None:
            place = self._bins.get(value, OTHER) if isinstance(value, str | None) else OTHER
        else:
            place = 1 + bisect_left(self._edges, value) if isinstance(value, int | float) else MISSING
        self.counts[place] += 1

    def index(self) -> float | None:
        """The population stability index, or None for fewer than MIN_ROWS rows."""
        return psi(self.expected, self.counts) if sum(self.counts) >= MIN_ROWS else None


def psi(expected: Sequence[float], counts: Sequence[int]) -> float:
    """The population stability index of expected shares and actual counts; at least one count must be positive."""
    total = sum(counts)
    pairs = [(max(share, FLOOR), max(count / total, FLOOR)) for share, count in zip(expected, counts, strict=True)]
    return sum((actual - share) * log(actual / share) for share, actual in pairs)


class Window:
    """The recent predictions of one window, counted by column, and their probabilities."""

    def __init__(self, reference: Mapping[str, Any]) -> None:
        self.rows = 0
        self._columns = {name: BinCounts(column) for name, column in reference["columns"].items()}
        self._probability = BinCounts(reference["probability"]) if reference["probability"] else None

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
