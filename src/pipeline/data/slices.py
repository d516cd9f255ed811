"""Assigns each row to a slice: by a column's value, or by a part of a datetime such as ``departure.month``."""

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.config.settings import DATETIME_PARTS

OTHER, MISSING = "other", "missing"


@dataclass(frozen=True)
class Labels:
    """The label of each row, as the number [n] of one of the ``values``: sorted, and None, which is a missing one, last."""

    values: list[Any]
    codes: npt.NDArray[Any]

    def pool_small(self, smallest: int) -> "Labels":
        """The labels as text; those of fewer than ``smallest`` rows become "other", missing ones "missing"."""
        texts = pd.Series([_to_text(value) for value in self.values], dtype=object)
        rows = pd.Series(np.bincount(self.codes, minlength=len(texts))).groupby(texts).transform("sum")
        values, numbers = np.unique(texts.where(rows >= smallest, OTHER).to_numpy(object), return_inverse=True)
        return Labels(values.tolist(), _narrow(numbers, len(values))[self.codes])


class LabelCoder:
    """Numbers the labels of one partition after another; the cut makes no difference to the result."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self._parts: list[npt.NDArray[Any]] = []

    def add(self, labels: pd.Series) -> None:
        """Adds the labels of the next rows."""
        codes, values = pd.factorize(labels)
        labels_in_order = [*values.tolist(), None] if (codes < 0).any() else values.tolist()
        numbers = [self._numbers.setdefault(label, len(self._numbers)) for label in labels_in_order]
        self._parts.append(_narrow(np.array(numbers, np.intp), len(self._numbers))[codes])  # -1 picks the last

    def result(self) -> Labels:
        """The labels of all rows."""
        values = [value for value in self._numbers if value is not None]
        order, sorted_values = pd.factorize(np.array([*values, None], object)[:-1], sort=True)
        ranks = dict(zip(values, order.tolist(), strict=True)) | {None: len(values)}
        numbers = np.array([ranks[value] for value in self._numbers], np.intp)
        ends = [None] if None in self._numbers else []
        return Labels([*sorted_values.tolist(), *ends], _narrow(numbers, len(numbers))[np.concatenate(self._parts)])


def label_rows(table: pd.DataFrame, slice_name: str) -> pd.Series:
    """The slice of each row of ``table`` by a column, or by a part of a datetime, as pipeline.config.settings checked it."""
    if slice_name in table:
        return table[slice_name]
    column, _, part = slice_name.rpartition(".")
    return getattr(table[column].dt, DATETIME_PARTS[part])


def column_of(slice_name: str, columns: Container[str]) -> str:
    """The column that a slice is by."""
    return slice_name if slice_name in columns else slice_name.rpartition(".")[0]


def _narrow(numbers: npt.NDArray[np.intp], count: int) -> npt.NDArray[Any]:
    """The numbers in the smallest type that holds ``count`` of them."""
    return numbers.astype(np.min_scalar_type(max(count - 1, 0)))


def _to_text(value: object) -> str:
    if value is None:
        return MISSING
    return f"{value:02.15g}" if isinstance(value, int | float | np.number) else str(value)
