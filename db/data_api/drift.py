"""How far what arrives has moved from what a model was trained on: the population stability index of a column.

PSI = Σ (a - e) · ln(a / e) over the bins of a column, of the share ``a`` of what arrived and ``e`` of the training rows
(Siddiqi, Credit Risk Scorecards, 2006: below 0.1 little has moved, above 0.25 much). Without any drift it is not zero, but
near (bins - 1) · (1/n + 1/m) for n and m rows (Yurdakul and Naranjo, Statistical properties of the population stability
index, 2020): hence few bins, and no index of few rows. Datetimes have none: time moves by nature.

A window of hours or days holds few of the weathers that months hold: columns that follow them, and the probability, have
more in it without anything amiss. In three days of the flights' own training months the median is 3.6 for the pressure,
0.2 for the probability and 0.003 for the carrier. What is unusual is learnt from the past of the same column and window.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from typing import Any

FLOOR = 1e-4  # the share of a bin that one side leaves empty; with less, one row in hundreds would look like much
RARE = 0.02  # categories below this share of the training rows count together: each would be a bin, mostly of chance
LEAST_ROWS = 200  # with twenty bins, chance alone gives 0.1
ROUNDING = 1e-6  # edges are written with six significant digits, and values come as single or double precision
MISSING = 0
Place = Callable[[Any], int]


@dataclass
class BinCounts:
    """The bins of one column: where a value belongs, the share that training had in each, and how many arrived in each."""

    place: Place
    expected: Sequence[float]
    counts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = [0] * len(self.expected)

    def add(self, value: Any) -> None:
        """Counts one value; None is missing."""
        self.counts[self.place(value)] += 1

    def index(self) -> float | None:
        """The population stability index; None of fewer than LEAST_ROWS rows."""
        return psi(self.expected, self.counts) if sum(self.counts) >= LEAST_ROWS else None


def psi(expected: Sequence[float], counts: Sequence[int]) -> float:
    """The population stability index of bins with these shares in training and these counts now; at least one is counted."""
    total = sum(counts)
    pairs = [(max(share, FLOOR), max(count / total, FLOOR)) for share, count in zip(expected, counts, strict=True)]
    return sum((actual - share) * log(actual / share) for share, actual in pairs)


def tally(reference: Mapping[str, Any]) -> BinCounts:
    """Empty bins of a column as ``schema.json`` describes it: by quantiles where it has edges, by categories otherwise.

    The first bin is of what is missing. Of categories, the last is of those that are rare, or that training never saw.
    """
    present = 1 - reference["missing"]
    if "edges" in reference:
        shares = [present * share for share in reference["shares"]]
        return BinCounts(_quantile(reference["edges"]), [reference["missing"], *shares])
    kept = {name: present * share for name, share in reference["shares"].items() if share >= RARE}
    other = max(0.0, present - sum(kept.values()))
    return BinCounts(_category(list(kept)), [reference["missing"], *kept.values(), other])


def _quantile(edges: Sequence[float]) -> Place:
    """A value that equals an edge belongs below it, as in the reference; what is no number counts as missing."""
    widened = [edge + ROUNDING * abs(edge) for edge in edges]

    def place(value: Any) -> int:
        return 1 + bisect_left(widened, value) if isinstance(value, int | float) else MISSING

    return place


def _category(names: Sequence[str]) -> Place:
    places = {name: number for number, name in enumerate(names, 1)}
    other = len(names) + 1

    def place(value: Any) -> int:
        if value is None:
            return MISSING
        return places.get(value, other) if isinstance(value, str) else other

    return place


class Window:
    """What arrived in one window, by column, and the probabilities that a model gave."""

    def __init__(self, reference: Mapping[str, Any]) -> None:
        self.rows = 0
        self._columns = {name: tally(one) for name, one in reference["columns"].items()}
        self._probability = tally(reference["probability"]) if reference["probability"] else None

    def add(self, features: Mapping[str, Any], probability: float) -> None:
        """Counts one prediction; a column that its features lack is missing."""
        self.rows += 1
        for name, column in self._columns.items():
            column.counts[column.place(features.get(name))] += 1
        if self._probability:
            self._probability.add(probability)

    def columns(self) -> dict[str, float]:
        """The index of each column, where it has one."""
        return {name: index for name, column in self._columns.items() if (index := column.index()) is not None}

    def probability(self) -> float | None:
        """The index of the probability, where it has one."""
        return self._probability.index() if self._probability else None
