"""Reads records from columns, of an Arrow stream or of tensors: the same checks as of JSON, on whole columns."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache, partial
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from column_types.category_text import speller
from prediction_api.arrow.arrow_types import ArrowField, read_schema
from prediction_api.arrow.factorize import factorize
from prediction_api.arrow.ipc_reader import ArrowColumn, TooManyRows, read_columns
from prediction_api.errors import MOST_SHOWN
from prediction_api.model import moment_texts
from prediction_api.model.accepted_types import ArrowTypes, TensorTypes
from prediction_api.model.artifact import Column, Schema
from prediction_api.model.column_batch import SECOND, Categories, ColumnBatch, Moments
from prediction_api.model.record_fields import expected_value, limits, number_markers, shown, value_reader
from prediction_api.model.record_reader import MOST_FIELD_ERRORS, InvalidRecords, unknown_field
from prediction_api.open_inference import tensor_reader
from prediction_api.open_inference.infer_request import InferRequest, InputTensor, InvalidTensors
from service_kit.problems import FieldError

LEAST_COLUMNS_READ = 1000  # so many unknown ones are named before a stream is called too wide
CACHED_TEXTS = 256  # of a column, as they are read
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
YEAR_1, YEAR_10000 = -62_135_596_800, 253_402_300_800  # in seconds since 1970: where Python's datetimes begin and end
OUTSIDE_YEARS = "a year before 1 or after 9999"
Fault = tuple[int, int, FieldError]  # the row, and the place of the column in the schema


class ColumnReader:
    """Reads columns of one schema; ``most`` is how many rows a batch may hold."""

    def __init__(self, schema: Schema, most: int = 1000) -> None:
        self._columns = {column.name: column for column in schema.columns}
        self._place = {column.name: place for place, column in enumerate(schema.columns)}
        self._most = most
        self._format = schema.table_format
        self._markers = np.array(number_markers(schema.table_format))
        self._most_columns = max(LEAST_COLUMNS_READ, 2 * len(self._columns))  # beyond it a body is called too wide
        texts = [column for column in schema.columns if column.kind != "number"]
        self._read_text = {
            column.name: lru_cache(CACHED_TEXTS, typed=True)(value_reader(column, schema.table_format)) for column in texts
        }
        spelled = {column.name for column in texts if speller(column.known_categories)}
        self._arrow_types, self._tensor_types = ArrowTypes(spelled), TensorTypes(spelled)

    def batch(self, body: bytes) -> ColumnBatch:
        """The records in an Arrow IPC stream; raises InvalidArrow or InvalidRecords."""
        fields = read_schema(body, self._most_columns)
        self._check_fields(fields, self._arrow_types)
        try:
            return self._read(fields, read_columns(body, fields, self._most))
        except TooManyRows as error:
            raise self._wrong_size(error.rows) from None

    @property
    def most_values(self) -> int:
        """How many values a batch may hold."""
        return self._most * len(self._columns)

    def tensors(self, request: InferRequest) -> ColumnBatch:
        """The records in an inference request; raises InvalidTensors or InvalidRecords."""
        if (count := len(request.header.inputs)) > self._most_columns:
            raise InvalidTensors(f"it has {count:,} inputs, more than the {self._most_columns:,} that are read")
        fields = tensor_reader.fields(request)
        self._check_fields(fields, self._tensor_types)
        return self._read(fields, tensor_reader.read_columns(request, self._row_count(request.header.inputs)))

    def _check_fields(self, fields: Sequence[ArrowField], types: ArrowTypes | TensorTypes) -> None:
        if field_errors := list(islice(self._schema_errors(fields, types), MOST_FIELD_ERRORS)):
            raise InvalidRecords(field_errors)

    def _row_count(self, inputs: Sequence[InputTensor]) -> int:
        """The number of rows of all inputs; raises InvalidRecords with those that differ from the first count."""
        counts = [tensor_reader.row_count(tensor) for tensor in inputs]
        first = next((count for count in counts if count is not None), None)
        if first is not None and not 1 <= first <= self._most:
            raise self._wrong_size(first)
        expected = "the shape [n] or [n, 1]" if first is None else f"the shape [{first}] or [{first}, 1]"
        errors = [
            FieldError(tensor.name, expected, str(tensor.shape)[:MOST_SHOWN])
            for tensor, count in zip(inputs, counts, strict=True)
            if first is None or count != first
        ]
        if first is None or errors:
            raise InvalidRecords(errors)
        return first

    def _read(self, fields: Sequence[ArrowField], columns: Sequence[ArrowColumn]) -> ColumnBatch:
        rows = len(columns[0].missing) if columns else 0
        if not rows:
            raise self._wrong_size(rows)
        found = {field.name: column for field, column in zip(fields, columns, strict=True)}
        ordered = [(column, found[name]) for name, column in self._columns.items() if name in found]
        return self._checked(rows, ordered)

    def _wrong_size(self, rows: int) -> InvalidRecords:
        return InvalidRecords([FieldError("the body", f"1 to {self._most} rows", f"{rows:,}")])

    def _schema_errors(self, fields: Sequence[ArrowField], types: ArrowTypes | TensorTypes) -> Iterator[FieldError]:
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
            elif not types.takes(self._columns[field.name], field.type):
                yield FieldError(field.name, types.expected(self._columns[field.name]), field.type.name)

    def _checked(self, rows: int, found: Sequence[tuple[Column, ArrowColumn]]) -> ColumnBatch:
        """The columns as a model takes them; raises InvalidRecords with the errors of the first records at fault."""
        numbers = [(column, values) for column, values in found if column.kind == "number"]
        batch = ColumnBatch(rows, [column.name for column, _ in numbers], self._matrix(rows, numbers), {}, {})
        faults = [*self._number_faults(batch.matrix, numbers), *self._other_faults(found, batch)]
        if faults:
            raise InvalidRecords([error for *_, error in sorted(faults, key=lambda fault: fault[:2])])
        return batch

    def _matrix(self, rows: int, numbers: Sequence[tuple[Column, ArrowColumn]]) -> npt.NDArray[np.float64]:
        """Columns of numbers [columns, rows], NaN where missing."""
        matrix = np.empty((len(numbers), rows))
        whole: Any = None
        for row, (column, values) in zip(matrix, numbers, strict=True):
            row[:] = np.nan if values.type.layout == "missing" else values.values
            if values.missing is not whole:
                row[values.missing] = np.nan
                whole = whole if values.missing.any() else values.missing  # columns without gaps share one array
            if column.nullable and len(self._markers):
                row[np.isin(row, self._markers)] = np.nan
        return matrix

    def _number_faults(
        self, matrix: npt.NDArray[np.float64], numbers: Sequence[tuple[Column, ArrowColumn]]
    ) -> Iterator[Fault]:
        lowest, highest = np.array([limits(column) for column, _ in numbers]).reshape(-1, 2, 1).swapaxes(0, 1)
        nullable = np.array([column.nullable for column, _ in numbers], bool).reshape(-1, 1)
        right = (matrix >= lowest) & (matrix <= highest)
        if right.all():
            return
        right |= np.isnan(matrix) & nullable
        for place in np.flatnonzero(~right.all(axis=1)).tolist():
            column, values = numbers[place]
            yield from self._faults(column, ~right[place], partial(_number_shown, matrix[place], values))

    def _other_faults(self, found: Sequence[tuple[Column, ArrowColumn]], batch: ColumnBatch) -> Iterator[Fault]:
        """Puts columns of categories and datetimes into the batch; gives what is at fault in them."""
        for column, values in found:
            if column.kind == "category":
                codes, texts, refused = _read_texts(self._read_text[column.name], values)
                batch.categories[column.name] = Categories(codes, texts)
                yield from self._faults(column, refused, values.value)
            elif column.kind == "datetime" and values.type.layout == "text":
                batch.datetimes[column.name], refused = self._moments_of_texts(column, values)
                yield from self._faults(column, refused, values.value)
            elif column.kind == "datetime":
                batch.datetimes[column.name], outside = _moments(values, column)
                faulty = outside | batch.datetimes[column.name].missing & (not column.nullable)
                yield from self._faults(column, faulty, partial(_moment_shown, outside))

    def _moments_of_texts(self, column: Column, values: ArrowColumn) -> tuple[Moments, npt.NDArray[np.bool_]]:
        """The datetimes [n] of a column of texts, and which rows [n] are at fault."""
        if moments := moment_texts.read(column, self._format, values.values, values.texts):
            return moments, moments.missing & (not column.nullable)
        codes, texts, refused = _read_texts(self._read_text[column.name], values)
        read = [moment if isinstance(moment, datetime) else None for moment in texts]
        return Moments.of(codes, read, bool(column.time_zone)), refused

    def _faults(self, column: Column, faulty: npt.NDArray[np.bool_], shown_value: Callable[[int], Any]) -> Iterator[Fault]:
        """The first rows that are at fault, with what they hold."""
        for row in np.flatnonzero(faulty)[:MOST_FIELD_ERRORS].tolist():
            error = FieldError(f"records[{row}].{column.name}", expected_value(column), shown(shown_value(row)))
            yield row, self._place[column.name], error


def _number_shown(numbers: npt.NDArray[np.float64], values: ArrowColumn, row: int) -> Any:
    return None if np.isnan(numbers[row]) else values.value(row)


def _moment_shown(outside: npt.NDArray[np.bool_], row: int) -> str | None:
    return OUTSIDE_YEARS if outside[row] else None


def _read_texts(
    read: Callable[[Any], Any], values: ArrowColumn
) -> tuple[npt.NDArray[Any], list[Any], npt.NDArray[np.bool_]]:
    """The places [n] of values among the different ones, these as the schema has them, and which rows [n] are at fault.

    Each different value is read once.
    """
    codes, different = values.values, values.texts
    if not different:
        codes, different = factorize(
            [None if gap else value for gap, value in zip(values.missing.tolist(), codes.tolist(), strict=True)]
        )
    is_used = np.bincount(codes, minlength=len(different)) > 0
    texts: list[Any] = list(different)
    refused = np.zeros(len(different), bool)
    for place in np.flatnonzero(is_used).tolist():
        try:
            texts[place] = read(different[place])
        except ValidationError:
            refused[place] = True
    return codes, texts, refused[codes]


def _moments(values: ArrowColumn, column: Column) -> tuple[Moments, npt.NDArray[np.bool_]]:
    """The datetimes [n] of a column, and which of them lie outside of the years of Python's datetimes."""
    missing, is_utc = values.missing, bool(column.time_zone)
    if values.type.layout == "missing":
        return Moments(np.zeros(len(missing), np.int64), missing, is_utc), np.zeros(len(missing), bool)
    per_second = PER_SECOND[values.type.unit]
    whole = np.where(missing, 0, values.values // per_second)
    outside = (whole < YEAR_1) | (whole >= YEAR_10000)
    fraction = np.where(missing, 0, values.values % per_second) * SECOND // per_second
    return Moments(np.where(outside, 0, whole * SECOND + fraction), missing, is_utc), outside
