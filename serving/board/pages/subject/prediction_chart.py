"""Where the marks of a prediction's charts are: its reasons from the typical case to this one, and how it moved."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from board.tracking.source import Record

WIDTH, HEIGHT = 480.0, 110.0  # of the plot of the movement
MOST_LABELS = 4


@dataclass(frozen=True)
class Step:
    """What a topic contributes: where its bar begins and how long it is, in percent, its sentence, and its columns."""

    topic: str
    phrase: str
    contribution: float
    start: float
    length: float
    columns: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Waterfall:
    """The steps from the probability of the typical case to that of this one; both in percent.

    The axis reaches from ``low`` to ``high``, as far as the steps do: on their way they may pass 0 or 100.
    """

    typical: float
    probability: float
    steps: tuple[Step, ...]
    low: int
    high: int


def waterfall(reasons: Record, presentation: Any) -> Waterfall:
    """The reasons as steps, the largest first."""
    typical, steps = reasons["typical_probability"], []
    level = typical
    for topic in reasons["topics"]:
        contribution, before = topic["contribution"], level
        level = before + contribution
        phrase = presentation.phrase(topic["topic"], contribution, reasons["record"])
        start, length = 100 * min(before, level), 100 * abs(contribution)
        steps.append(Step(topic["topic"], phrase, contribution, start, length, topic["columns"]))
    low = min((step.start for step in steps), default=0)
    high = max((step.start + step.length for step in steps), default=0)
    ends = min(0, 10 * math.floor(low / 10)), max(100, 10 * math.ceil(high / 10))
    return Waterfall(100 * typical, 100 * level, tuple(steps), *ends)


@dataclass(frozen=True)
class Point:
    """A prediction in the plot; the places of y run downwards."""

    x: float
    y: float
    as_of: datetime
    probability: float
    is_official: bool


@dataclass(frozen=True)
class Movement:
    """The predictions of a subject over the moments as of which they were made."""

    points: tuple[Point, ...]
    labelled: tuple[Point, ...]
    width: float = WIDTH
    height: float = HEIGHT

    @property
    def line(self) -> str:
        """The points of the line."""
        return " ".join(f"{point.x:.1f},{point.y:.1f}" for point in self.points)


def movement_chart(predictions: Sequence[Record]) -> Movement:
    """The plot of at least two predictions in the order of time."""
    first, last = predictions[0]["as_of"], predictions[-1]["as_of"]
    points = tuple(
        Point(
            WIDTH * ((row["as_of"] - first) / (last - first)), HEIGHT * (1 - row["probability"]), row["as_of"],
            row["probability"], row["is_official"],
        )
        for row in predictions
    )  # fmt: skip
    least = WIDTH / MOST_LABELS
    labelled = [points[-1]]
    for point in reversed(points):
        if labelled[-1].x - point.x >= least:
            labelled.append(point)
    return Movement(points, tuple(labelled))
