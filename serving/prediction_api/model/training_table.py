"""What the training table held in the columns of one kind, and how the values of a request differ from it."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from prediction_api.arrow.factorize import factorize
from prediction_api.metrics import OUTSIDE_PERIOD, OUTSIDE_RANGE, UNSEEN_CATEGORY, UNSEEN_MISSING
from prediction_api.model.artifact import Column
from prediction_api.model.column_batch import EPOCH, Categories
from prediction_api.model.warning_table import Found, Unusual

Warnings = Iterator[tuple[int, Unusual]]  # rows and what is unlike the training table there


class TrainingTable:
    """The columns of one kind, in the order in which the graph takes them."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        bounds = [(_bound(column.seen.minimum, -np.inf), _bound(column.seen.maximum, np.inf)) for column in columns]
        self._lowest, self._highest = np.array(bounds, np.float32).T  # as the graph compares them
        periods = enumerate(bounds if columns[0].kind == "datetime" else [])
        self._periods = [self._period(place, *bound) for place, bound in periods]
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
            yield row, self._out_of_range(place, values[row, place])
        for row, place in np.argwhere(missing & ~usual).tolist():
            yield row, self._missing(place)

    def _category_warnings(self, values: npt.NDArray[Any]) -> Warnings:
        for row, texts in enumerate(values.tolist()):
            for place, text in enumerate(texts):
                if warning := self._category_warning(place, text):
                    yield row, warning

    def _date_warnings(self, values: npt.NDArray[Any]) -> Warnings:
        """In plain Python, because a record holds few dates, for which numpy's calls cost more."""
        for row, moments in enumerate(values.tolist()):
            for place, (low, high, early, late) in enumerate(self._periods):
                moment = moments[place]
                if moment < low or moment > high:
                    yield row, early if moment < low else late
                elif moment != moment and place in self._never_missing:  # noqa: PLR0124 (NaN)
                    yield row, self._missing(place)

    def number_columns(self, values: npt.NDArray[Any]) -> Iterator[Found]:
        """The warnings of numbers [n, columns], as of ``warnings``."""
        usual = (values >= self._lowest) & (values <= self._highest)
        if usual.all():
            return
        missing = np.isnan(values)
        rows, places = np.divmod(np.flatnonzero(~(usual | missing)), values.shape[1])
        codes, different = factorize(zip(places.tolist(), values[rows, places].tolist(), strict=True))
        yield rows, codes, [self._out_of_range(*pair) for pair in different]
        rows, places = np.divmod(np.flatnonzero(missing & ~self._sometimes_missing), values.shape[1])
        codes, different = factorize(places.tolist())
        yield rows, codes, [self._missing(place) for place in different]

    def category_columns(self, columns: Sequence[Categories]) -> Iterator[Found]:
        """The warnings of columns of categories, as of ``warnings``."""
        for place, column in enumerate(columns):
            warnings = [self._category_warning(place, text) for text in column.texts]
            if different := [warning for warning in warnings if warning]:
                is_unusual = np.array([warning is not None for warning in warnings])
                rows = np.flatnonzero(is_unusual[column.codes])
                yield rows, (is_unusual.cumsum() - 1)[column.codes[rows]], different

    def date_columns(self, values: npt.NDArray[np.float64]) -> Iterator[Found]:
        """The warnings of datetimes [n, columns], as of ``warnings``."""
        for place, (low, high, early, late) in enumerate(self._periods):
            moments = values[:, place]
            for is_outside, warning in ((moments < low, early), (moments > high, late)):
                if len(rows := np.flatnonzero(is_outside)):
                    yield rows, np.zeros_like(rows), [warning]
            if place in self._never_missing:
                rows = np.flatnonzero(np.isnan(moments))
                yield rows, np.zeros_like(rows), [self._missing(place)]

    def _category_warning(self, place: int, text: str | None) -> Unusual | None:
        if not text:
            return self._missing(place) if place in self._never_missing else None
        seen = self._categories[place]
        return None if seen is None or text in seen else self._unseen(place, text)

    def _unseen(self, place: int, text: str) -> Unusual:
        return self._warning(place, UNSEEN_CATEGORY, f"{text!r} was not in the training table")

    def _out_of_range(self, place: int, value: float) -> Unusual:
        usual = f"{self._lowest[place]:g} to {self._highest[place]:g}"
        return self._warning(place, OUTSIDE_RANGE, f"{value:g} is outside the {usual} of the training table")

    def _period(self, place: int, low: float, high: float) -> tuple[float, float, Unusual, Unusual]:
        """The period of a column, and the warnings of moments before and after it, the same for all rows."""
        early = self._warning(place, OUTSIDE_PERIOD, f"it is before {_shown(low)}, where the training table begins")
        late = self._warning(place, OUTSIDE_PERIOD, f"it is after {_shown(high)}, where the training table ends")
        return low, high, early, late

    def _missing(self, place: int) -> Unusual:
        return self._warning(place, UNSEEN_MISSING, "it is missing, as in no row of the training table")

    def _warning(self, place: int, kind: str, text: str) -> Unusual:
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
