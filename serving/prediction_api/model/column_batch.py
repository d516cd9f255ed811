"""Records by column: the numbers in one array, the texts of categories once each, datetimes as whole numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from prediction_api.arrow.factorize import factorize
from prediction_api.model.artifact import Column
from prediction_api.model.record_reader import Record

EPOCH = datetime(1970, 1, 1)
SECOND = 10**6  # in microseconds


@dataclass(frozen=True)
class Categories:
    """The texts [n] of a column: ``texts`` holds each once or more often, None for missing, ``codes`` [n] its places."""

    codes: npt.NDArray[np.integer[Any]]
    texts: list[str | None]

    def tolist(self) -> list[str | None]:
        """The text of each row."""
        return [self.texts[code] for code in self.codes.tolist()]


@dataclass(frozen=True)
class Moments:
    """Datetimes [n] in microseconds since 1970 on their own clock, which is UTC with ``is_utc``, and which are missing."""

    microseconds: npt.NDArray[np.int64]
    missing: npt.NDArray[np.bool_]
    is_utc: bool = False

    @classmethod
    def of(cls, codes: npt.NDArray[Any], moments: Sequence[datetime | None], is_utc: bool) -> "Moments":
        """Datetimes by their places [n], ``codes``, among different ones, of which None is missing."""
        missing = np.array([moment is None for moment in moments])
        clocks = [EPOCH if moment is None else moment.replace(tzinfo=None) for moment in moments]
        microseconds = np.array(clocks, "datetime64[us]").astype(np.int64)
        return cls(microseconds[codes], missing[codes], is_utc)

    @property
    def seconds(self) -> npt.NDArray[np.float64]:
        """Whole seconds since 1970, NaN where missing."""
        return np.where(self.missing, np.nan, self.microseconds // SECOND)

    @property
    def texts(self) -> npt.NDArray[np.str_]:
        """The datetimes as a record's JSON has them."""
        texts = np.datetime_as_string((self.microseconds // SECOND).astype("datetime64[s]"))
        fractional = self.microseconds % SECOND > 0
        if fractional.any():
            texts = np.where(fractional, np.datetime_as_string(self.microseconds.astype("datetime64[us]")), texts)
        return np.char.add(texts, "Z") if self.is_utc else texts


@dataclass(frozen=True)
class ColumnBatch:
    """Records by column, of those columns that the request has, in the order of the schema.

    A column of numbers is a row of ``matrix`` [columns, n], NaN where missing.
    """

    rows: int
    number_names: list[str]
    matrix: npt.NDArray[np.float64]
    categories: dict[str, Categories]
    datetimes: dict[str, Moments]

    @property
    def numbers(self) -> dict[str, npt.NDArray[np.float64]]:
        """The columns of numbers [n] by name."""
        return dict(zip(self.number_names, self.matrix, strict=True))


def from_records(columns: Sequence[Column], records: Sequence[Record]) -> ColumnBatch:
    """Records that were checked, and have all columns each."""
    names = [column.name for column in columns if column.kind == "number"]
    values = {
        column.name: (column, [record[column.name] for record in records]) for column in columns if column.kind != "number"
    }
    return ColumnBatch(
        len(records),
        names,
        np.array([[record[name] for name in names] for record in records], np.float64).T,
        {name: Categories(*factorize(texts)) for name, (column, texts) in values.items() if column.kind == "category"},
        {name: _moments(column, moments) for name, (column, moments) in values.items() if column.kind == "datetime"},
    )


def _moments(column: Column, values: Sequence[Any]) -> Moments:
    return Moments.of(*factorize(values), bool(column.time_zone))
