"""Where the marks of a chart are, in the units of an SVG's viewBox: values with intervals, over days or probabilities."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from board.scoring.day_scores import Interval, Tenth

SIDE, LEFT, BOTTOM, TOP, RIGHT = 300.0, 52.0, 30.0, 12.0, 26.0  # of the plot, and around it
LABEL = 16.0  # the height of an axis' label
WIDTH, HEIGHT = 720.0, 150.0  # of a plot over days
LARGEST_RADIUS, SMALLEST_RADIUS = 9.0, 2.5
DAYS_BETWEEN_LABELS = 7
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
MOST_TICKS = 5


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis."""

    place: float
    label: str


@dataclass(frozen=True)
class Mark:
    """A point with the ends of its interval; ``series`` numbers the model version, ``radius`` says how many rows it has."""

    x: float
    y: float
    low: float
    high: float
    radius: float = 3.0
    series: int = 0


@dataclass(frozen=True)
class Chart:
    """Everything that a template draws; the places of y run downwards."""

    width: float
    height: float
    marks: tuple[Mark, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    selected: float | None = None  # the place of a day
    x_label: str = ""
    y_label: str = ""
    left: float = LEFT
    top: float = TOP

    @property
    def view_box(self) -> str:
        """The whole drawing, with the room for the labels."""
        above, below = (LABEL if label else 0 for label in (self.y_label, self.x_label))
        return f"0 {-above:g} {self.whole_width:g} {above + self.top + self.height + BOTTOM + below:g}"

    @property
    def whole_width(self) -> float:
        """The width with the room for the labels."""
        return self.left + self.width + RIGHT


def calibration(tenths: Sequence[Tenth]) -> Chart:
    """The share that came true over the mean probability, for each tenth that has predictions."""
    most = max((tenth.rows for tenth in tenths), default=0)
    marks = tuple(
        Mark(
            _round(tenth.predicted * SIDE), _round(SIDE - share.value * SIDE), _round(SIDE - share.low * SIDE),
            _round(SIDE - share.high * SIDE), _round(max(LARGEST_RADIUS * math.sqrt(tenth.rows / most), SMALLEST_RADIUS)),
        )
        for tenth in tenths
        if tenth.predicted is not None and (share := tenth.observed)
    )  # fmt: skip
    ticks = [(SIDE * percent / 100, f"{percent} %") for percent in range(0, 101, 20)]
    x_ticks = tuple(Tick(place, label) for place, label in ticks)
    y_ticks = tuple(Tick(SIDE - place, label) for place, label in ticks)
    return Chart(SIDE, SIDE, marks, x_ticks, y_ticks, x_label="probability", y_label="came true")


def over_days(
    days: Sequence[date],
    values: Sequence[Sequence[tuple[int, Interval]]],
    selected: date,
    label: Callable[[float], str] = "{:.2f}".format,
) -> Chart:
    """Values by day: of each day those of each series that has one, with their intervals."""
    ends = [end for of_day in values for _, interval in of_day for end in (interval.low, interval.high)]
    low, high, step = _axis(min(ends, default=0.0), max(ends, default=1.0))

    def place(value: float) -> float:
        return _round(HEIGHT * (high - value) / (high - low))

    def day_place(number: int) -> float:
        return _round(WIDTH * (number + 0.5) / len(days))

    marks = tuple(
        Mark(day_place(number), place(interval.value), place(interval.low), place(interval.high), series=series)
        for number, of_day in enumerate(values)
        for series, interval in of_day
    )
    labelled = range(0, len(days), DAYS_BETWEEN_LABELS if len(days) > DAYS_BETWEEN_LABELS else 1)
    x_ticks = tuple(Tick(day_place(number), f"{days[number].day} {days[number]:%b}") for number in labelled)
    count = round((high - low) / step)
    y_ticks = tuple(Tick(place(value), label(value)) for value in (low + step * number for number in range(count + 1)))
    at = day_place(days.index(selected)) if selected in days else None
    return Chart(WIDTH, HEIGHT, marks, x_ticks, y_ticks, at)


def _axis(low: float, high: float) -> tuple[float, float, float]:
    """The ends of an axis around values, and the round step between its ticks."""
    rough = max(high - low, 1e-3) / (MOST_TICKS - 1)
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * size for size in STEPS if unit * size >= rough * (1 - 1e-9))
    first = math.floor(low / step + 1e-9)
    return first * step, max(math.ceil(high / step - 1e-9), first + 1) * step, step


def _round(place: float) -> float:
    return round(place, 1)
