"""Reads records from the columns of an Arrow stream: the same checks as of JSON, on whole columns."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from column_types.category_text import speller
from prediction_api.arrow.arrow_types import ArrowField, ArrowType, read_schema
from prediction_api.arrow.ipc_reader import ArrowColumn, TooManyRows, read_columns
from prediction_api.model.artifact import Column, Schema
from prediction_api.model.record_fields import MOST_SHOWN, category_reader, expected_value, limits, number_markers, shown
from prediction_api.model.record_reader import MOST_FIELD_ERRORS, InvalidRecords, unknown_field
from service_kit.problems import FieldError

LEAST_COLUMNS_READ = 1000  # so many unknown ones are named before a stream is called too wide
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
MICROSECONDS = 10**6
YEAR_1, YEAR_10000 = -62_135_596_800, 253_402_300_800  # in seconds since 1970: where Python's datetimes begin and end
Array = npt.NDArray[Any]
Faults = Iterator[tuple[int, Any]]  # rows, and what they hold


@dataclass(frozen=True)
class Moments:
    """Datetimes [n] as seconds since 1970, NaN where missing, and as a record's JSON has them."""

    seconds: npt.NDArray[np.float64]
    texts: npt.NDArray[np.str_]


@dataclass(frozen=True)
class ColumnBatch:
    """Records by column, of those columns that the stream has, in the order of the schema.

    A column of numbers is an array [n] of float64, NaN where missing; one of categories [n] of texts or None.
    """

    rows: int
    numbers: dict[str, npt.NDArray[np.float64]]
    categories: dict[str, Array]
    datetimes: dict[str, Moments]


class ColumnReader:
    """Reads columns of one schema; ``most`` is how many rows a batch may hold."""

    def __init__(self, schema: Schema, most: int = 1000) -> None:
        self._columns = {column.name: column for column in schema.columns}
        self._place = {column.name: place for place, column in enumerate(schema.columns)}
        self._most = most
        self._markers = np.array(number_markers(schema.table_format))
        categories = [column for column in schema.columns if column.kind == "category"]
        self._read_category = {column.name: category_reader(column, schema.table_format) for column in categories}
        self._spelled = {column.name for column in categories if speller(column.known_categories)}

    def batch(self, body: bytes) -> ColumnBatch:
        """The records in an Arrow IPC stream; raises InvalidArrow or InvalidRecords."""
        fields = read_schema(body, max(LEAST_COLUMNS_READ, 2 * len(self._columns)))
        if field_errors := list(islice(self._schema_errors(fields), MOST_FIELD_ERRORS)):
            raise InvalidRecords(field_errors)
        try:
            found = {
                field.name: column for field, column in zip(fields, read_columns(body, fields, self._most), strict=True)
            }
        except TooManyRows as error:
            raise self._wrong_size(error.rows) from None
        rows = len(next(iter(found.values())).missing)
        if not rows:
            raise self._wrong_size(rows)
        ordered = [(column, found[name]) for name, column in self._columns.items() if name in found]
        return self._checked(rows, ordered)

    def _wrong_size(self, rows: int) -> InvalidRecords:
        return InvalidRecords([FieldError("the body", f"1 to {self._most} rows", f"{rows:,}")])

    def _schema_errors(self, fields: Sequence[ArrowField]) -> Iterator[FieldError]:
        """What is wrong with the columns themselves: absent, unknown, doubled, or of another type."""
        counts = Counter(field.name for field in fields)
        for name, column in self._columns.items():
            if column.required and name not in counts:
                yield FieldError(name, expected_value(column), "nothing")
        for field in fields:
            shown_name = field.name[:MOST_SHOWN]
            if field.name not in self._columns:
                yield unknown_field(shown_name, shown_name, list(self._columns))
            elif counts[field.name] > 1:
                yield FieldError(field.name, "one column of this name", f"{counts[field.name]} of them")
            elif not self._takes(self._columns[field.name], field.type):
                yield FieldError(field.name, self._expected_type(self._columns[field.name]), field.type.name)

    def _takes(self, column: Column, kind: ArrowType) -> bool:
        if kind.layout == "missing":
            return True
        if column.kind == "number":
            return kind.layout == "number"
        if column.kind == "datetime":
            return kind.layout == "timestamp" and bool(kind.zone) == bool(column.time_zone)
        return kind.layout in ("text", "large_text") or (column.name in self._spelled and kind.layout in ("number", "bool"))

    def _expected_type(self, column: Column) -> str:
        if column.kind == "number":
            return "a column of a type of integers or floats"
        if column.kind == "datetime":
            return f"a column of timestamps {'with' if column.time_zone else 'without'} a time zone"
        return (
            f"a column of utf8, large_utf8 or a dictionary of them{', of integers or bool' * (column.name in self._spelled)}"
        )

    def _checked(self, rows: int, found: Sequence[tuple[Column, ArrowColumn]]) -> ColumnBatch:
        """The columns as a model takes them; raises InvalidRecords with the errors of the first records at fault."""
        batch = ColumnBatch(rows, {}, {}, {})
        faults: list[tuple[int, int, FieldError]] = []
        for column, values in found:
            name = column.name
            for row, value in self._read(column, values, batch):
                error = FieldError(f"records[{row}].{name}", expected_value(column), shown(value))
                faults.append((row, self._place[name], error))
        if faults:
            raise InvalidRecords([error for *_, error in sorted(faults, key=lambda fault: fault[:2])])
        return batch

    def _read(self, column: Column, values: ArrowColumn, batch: ColumnBatch) -> Faults:
        """Puts a column into the batch; gives the first rows that are at fault, and their values."""
        if column.kind == "number":
            numbers = self._numbers(column, values)
            batch.numbers[column.name] = numbers
            low, high = limits(column)
            faulty = ~((numbers >= low) & (numbers <= high))
            return _faults(faulty & ~np.isnan(numbers) if column.nullable else faulty, numbers, values)
        if column.kind == "category":
            batch.categories[column.name], faulty = _categories(self._read_category[column.name], values)
            return _faults(faulty, values.values, values)
        batch.datetimes[column.name], faulty = _moments(values, column)
        return _faults(faulty, batch.datetimes[column.name].texts, values)

    def _numbers(self, column: Column, values: ArrowColumn) -> npt.NDArray[np.float64]:
        if values.type.layout == "missing":
            return np.full(len(values.missing), np.nan)
        numbers = values.values.astype(np.float64)
        numbers[values.missing] = np.nan
        if column.nullable and len(self._markers):
            numbers[np.isin(numbers, self._markers)] = np.nan
        return numbers


def _faults(faulty: npt.NDArray[np.bool_], converted: Array, values: ArrowColumn) -> Faults:
    for row in np.flatnonzero(faulty)[:MOST_FIELD_ERRORS].tolist():
        is_missing = values.missing[row] or converted[row] != converted[row]
        value = (values.values if values.type.layout != "timestamp" else converted)[row]
        yield row, None if is_missing else value.item() if isinstance(value, np.generic) else value


def _categories(read: Callable[[Any], Any], values: ArrowColumn) -> tuple[Array, npt.NDArray[np.bool_]]:
    """The texts [n] of a column, None where missing, and which are at fault; each different value is read once."""
    found = values.values.tolist()
    if values.missing.any():
        found = [None if gap else value for gap, value in zip(values.missing.tolist(), found, strict=True)]
    different = set(found)
    texts, refused = _read_each(read, different)
    faulty = np.array([value in refused for value in found]) if refused else np.zeros(len(found), bool)
    if all(texts.get(value, value) is value for value in different):
        return np.array(found, object), faulty
    return np.array([texts.get(value) for value in found], object), faulty


def _read_each(read: Callable[[Any], Any], values: Iterable[Any]) -> tuple[dict[Any, Any], set[Any]]:
    texts, refused = {}, set()
    for value in values:
        try:
            texts[value] = read(value)
        except ValidationError:
            refused.add(value)
    return texts, refused


def _moments(values: ArrowColumn, column: Column) -> tuple[Moments, npt.NDArray[np.bool_]]:
    """The datetimes [n] of a column, and which of them are at fault."""
    missing = values.missing
    if values.type.layout == "missing":
        texts = np.full(len(missing), "")
        return Moments(np.full(len(missing), np.nan), texts), missing & (not column.nullable)
    per_second = PER_SECOND[values.type.unit]
    whole = np.where(missing, 0, values.values // per_second)
    outside = (whole < YEAR_1) | (whole >= YEAR_10000)
    whole[outside] = 0
    fraction = np.where(missing | outside, 0, values.values % per_second) * MICROSECONDS // per_second
    texts = np.datetime_as_string(whole.astype("datetime64[s]"))
    if fraction.any():
        exact = np.datetime_as_string((whole * MICROSECONDS + fraction).astype("datetime64[us]"))
        texts = np.where(fraction > 0, exact, texts)
    if column.time_zone:
        texts = np.char.add(texts, "Z")
    if outside.any():
        texts = np.where(outside, "a year before 1 or after 9999", texts)
    return Moments(np.where(missing, np.nan, whole), texts), outside | missing & (not column.nullable)
