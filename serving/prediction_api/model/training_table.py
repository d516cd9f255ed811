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
        self._columns, self._is_datetime = columns, columns[0].kind == "datetime"
        self._lowest = np.array([_bound(column, column.seen.minimum, -np.inf) for column in columns])
        self._highest = np.array([_bound(column, column.seen.maximum, np.inf) for column in columns])
        if not self._is_datetime:  # as the graph compares them
            self._lowest, self._highest = self._lowest.astype(np.float32), self._highest.astype(np.float32)
        self._never_missing = np.array([(column.reference or {}).get("missing") == 0 for column in columns])
        self._categories = [None if (seen := column.seen.categories) is None else frozenset(seen) for column in columns]
        self.warnings = self._warn_of_categories if columns[0].kind == "category" else self._warn_of_numbers

    def _warn_of_categories(self, values: npt.NDArray[Any]) -> Warnings:
        for row, texts in enumerate(values.tolist()):
            for place, text in enumerate(texts):
                seen = self._categories[place]
                if text and seen is not None and text not in seen:
                    yield row, self._warning(place, UNSEEN_CATEGORY, f"{text!r} was not in the training table")
                elif not text and self._never_missing[place]:
                    yield row, self._missing(place)

    def _warn_of_numbers(self, values: npt.NDArray[Any]) -> Warnings:
        unlike = (values < self._lowest) | (values > self._highest) | (np.isnan(values) & self._never_missing)
        if not unlike.any():
            return
        kind, shown = (OUTSIDE_PERIOD, _moment) if self._is_datetime else (OUTSIDE_RANGE, "{:g}".format)
        for row, place in np.argwhere(unlike).tolist():
            if np.isnan(value := values[row, place]):
                yield row, self._missing(place)
            else:
                low, high = shown(self._lowest[place]), shown(self._highest[place])
                text = f"{shown(value)} is outside the {low} to {high} of the training table"
                yield row, self._warning(place, kind, text)

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


def _bound(column: Column, bound: float | str | None, unbounded: float) -> float:
    if column.kind == "datetime" and isinstance(bound, str):
        return seconds(datetime.fromisoformat(bound))
    return bound if isinstance(bound, float | int) else unbounded


def _moment(value: float) -> str:
    return "any time" if np.isinf(value) else (EPOCH + timedelta(seconds=float(value))).isoformat()
