"""What the training table held in the columns of one kind, and how the values of a request differ from it."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from prediction_api.metrics import OUTSIDE_PERIOD, OUTSIDE_RANGE, UNSEEN_CATEGORY, UNSEEN_MISSING
from prediction_api.model.artifact import Column

EPOCH = datetime(1970, 1, 1)
Warnings = Iterator[tuple[int, dict[str, str]]]  # rows and what is unlike the training table there


class TrainingTable:
    """The columns of one kind, in the order in which the graph takes them."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        bounds = [(_bound(column.seen.minimum, -np.inf), _bound(column.seen.maximum, np.inf)) for column in columns]
        self._lowest, self._highest = np.array(bounds, np.float32).T  # as the graph compares them
        is_datetime = columns[0].kind == "datetime"
        self._periods = [(low, high, f"{_shown(low)} to {_shown(high)}") for low, high in bounds] if is_datetime else []
        self._never_missing = [
            place
            for place, column in enumerate(columns)
            if column.nullable and column.reference and column.reference.get("missing") == 0
        ]
        self._sometimes_missing = ~np.isin(np.arange(len(columns)), self._never_missing)
        self._categories = [None if (seen := column.seen.categories) is None else frozenset(seen) for column in columns]
        by_kind = {"number": self._number_warnings, "category": self._category_warnings, "datetime": self._date_warnings}
        self.warnings = by_kind[columns[0].kind]

    def _number_warnings(self, values: npt.NDArray[Any]) -> Warnings:
        usual = (values >= self._lowest) & (values <= self._highest)
        if np.count_nonzero(usual) == usual.size:  # `all` costs more than the rest together where a record is alone
            return
        missing = np.isnan(values)
        usual |= missing & self._sometimes_missing
        if np.count_nonzero(usual) == usual.size:
            return
        for row, place in np.argwhere(~(usual | missing)).tolist():
            low, high = self._lowest[place], self._highest[place]
            text = f"{values[row, place]:g} is outside the {low:g} to {high:g} of the training table"
            yield row, self._warning(place, OUTSIDE_RANGE, text)
        for row, place in np.argwhere(missing & ~usual).tolist():
            yield row, self._missing(place)

    def _category_warnings(self, values: npt.NDArray[Any]) -> Warnings:
        for row, texts in enumerate(values.tolist()):
            for place, text in enumerate(texts):
                if text:
                    if (seen := self._categories[place]) is not None and text not in seen:
                        yield row, self._warning(place, UNSEEN_CATEGORY, f"{text!r} was not in the training table")
                elif place in self._never_missing:
                    yield row, self._missing(place)

    def _date_warnings(self, values: npt.NDArray[Any]) -> Warnings:
        """In plain Python, because a record holds few dates, for which numpy's calls cost more."""
        for row, moments in enumerate(values.tolist()):
            for place, (low, high, period) in enumerate(self._periods):
                moment = moments[place]
                if moment < low or moment > high:
                    text = f"{_shown(moment)} is outside the {period} of the training table"
                    yield row, self._warning(place, OUTSIDE_PERIOD, text)
                elif moment != moment and place in self._never_missing:  # noqa: PLR0124 (NaN)
                    yield row, self._missing(place)

    def _missing(self, place: int) -> dict[str, str]:
        return self._warning(place, UNSEEN_MISSING, "it is missing, as in no row of the training table")

    def _warning(self, place: int, kind: str, text: str) -> dict[str, str]:
        return {"field": self._columns[place].name, "kind": kind, "detail": text}


def seconds(value: datetime | None) -> float:
    """Whole seconds since 1970-01-01 on the value's own clock, which is UTC where it has an offset; NaN for none."""
    if value is None:
        return float("nan")
    since = (value.replace(tzinfo=None) if value.tzinfo else value) - EPOCH
    return float(since.days * 86_400 + since.seconds)


def _bound(bound: float | str | None, unbounded: float) -> float:
    """The end of a range as the graph takes it; a datetime is text."""
    if isinstance(bound, str):
        return seconds(datetime.fromisoformat(bound))
    return unbounded if bound is None else float(bound)


def _shown(moment: float) -> str:
    return "any time" if np.isinf(moment) else (EPOCH + timedelta(seconds=moment)).isoformat()
