"""Reads tables and writes results as CSV or Parquet files, with pyarrow and in chunks: memory does not grow with the file.

Numbers arrive as float32 with NaN for missing, categories as text with "" for missing, datetimes as float64 seconds since
1970 on their own clock with NaN for missing. An empty line of a CSV file is a row without values. In a CSV file NA, NaN and
null mean missing, as they do in the pipeline.
"""

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute, parquet
from pyarrow import csv as arrow_csv

from prediction_api.errors import TableUnreadable
from prediction_api.model.artifact import Column

CSV, PARQUET = ".csv", ".parquet"
BLOCK_BYTES, ROWS = 2 * 2**20, 16_384  # of a chunk: of a CSV file, of a Parquet file
MISSING = ["", "NA", "N/A", "NaN", "nan", "NULL", "null"]
PARSED_TYPES = {"number": pa.float64(), "category": pa.string(), "datetime": pa.timestamp("us")}
HELD = {"number": "numbers", "category": "text", "datetime": "timestamps without a time zone"}
RESULT = pa.schema([("probability", pa.float64()), ("label", pa.bool_())])
Write = Callable[[npt.NDArray[np.float64], npt.NDArray[np.bool_]], None]
Batches = Iterator[tuple[pa.RecordBatch, int]]  # each with how far the file is read by then


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file: the number of the first one (from 1), the columns, and how far the file is read by now."""

    first_row: int
    columns: dict[str, npt.NDArray[Any]]
    done: int


def read(path: Path, columns: Sequence[Column]) -> tuple[int, str, Iterator[Chunk]]:
    """The size of a file, in which unit, and its chunks, whose ``done`` counts in that unit.

    Raises TableUnreadable where the file, a column or a value is not what the schema wants.
    """
    _check_suffix(path)
    with _read_errors(path):
        size = path.stat().st_size
        if path.suffix == CSV:
            return size, "B", _chunks(path, columns, _csv_batches(path, columns))
        file = parquet.ParquetFile(path, pre_buffer=False, buffer_size=2**20)
        _check_header(path, file.schema_arrow.names, columns)
        return file.metadata.num_rows, "rows", _chunks(path, columns, _parquet_batches(file, columns))


@contextmanager
def written(path: Path) -> Iterator[Write]:
    """A function that appends probabilities and labels to a new file, which takes its name only once all is written."""
    _check_suffix(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file, _writer(path, file) as writer:
            yield lambda *results: writer.write(pa.record_batch(list(results), schema=RESULT))
        temporary.replace(path)
    except OSError as error:
        raise TableUnreadable(
            f"{path} cannot be written: {error.strerror or error}. Make room, or choose another place."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _writer(path: Path, file: Any) -> Any:
    if path.suffix == PARQUET:
        return parquet.ParquetWriter(file, RESULT)
    file.write(f"{','.join(RESULT.names)}\n".encode())  # pyarrow would quote the names
    return arrow_csv.CSVWriter(file, RESULT, write_options=arrow_csv.WriteOptions(include_header=False))


def _check_suffix(path: Path) -> None:
    if path.suffix not in (CSV, PARQUET):
        raise TableUnreadable(f"{path} should be a .csv or .parquet file; give it such a name.")


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    """Says what is wrong with a file that the system or pyarrow cannot read."""
    kind = "CSV file in UTF-8" if path.suffix == CSV else "Parquet file"
    try:
        yield
    except (OSError, pa.ArrowException, UnicodeDecodeError, csv.Error) as error:
        if isinstance(error, OSError) and error.strerror:
            raise TableUnreadable(f"{path} cannot be read: {error.strerror}.") from error
        reason = " ".join(str(error).split()).rstrip(".")
        raise TableUnreadable(f"{path} should be a {kind}; {reason}.") from error


def _chunks(path: Path, columns: Sequence[Column], batches: Batches) -> Iterator[Chunk]:
    first_row = 1
    with _read_errors(path):
        for batch, done in batches:
            yield Chunk(first_row, {column.name: _values(path, column, batch) for column in columns}, done)
            first_row += batch.num_rows


def _csv_batches(path: Path, columns: Sequence[Column]) -> Batches:
    with path.open(encoding="utf-8-sig", newline="") as text:
        header = next(csv.reader(text), [])
    _check_header(path, header, columns)
    uneven_rows: list[Any] = []
    first_row = 1
    try:
        with pa.OSFile(str(path)) as file:
            for batch in _csv_reader(file, columns, uneven_rows):
                yield _parsed(path, first_row, columns, batch), file.tell()
                first_row += batch.num_rows
    except pa.ArrowInvalid as error:
        for row in uneven_rows:  # pyarrow counts the header as a row
            raise TableUnreadable(
                f"{path} should be a CSV file in UTF-8; row {row.number - 1} should hold {row.expected_columns} values "
                f"like the header, not {row.actual_columns}."
            ) from error
        raise


def _csv_reader(file: pa.NativeFile, columns: Sequence[Column], uneven_rows: list[Any]) -> arrow_csv.CSVStreamingReader:
    """Gives the columns as text. A row with another number of values than the header is an error, and added to the list."""

    def remember(row: Any) -> str:
        uneven_rows.append(row)
        return "error"

    names = [column.name for column in columns]
    return arrow_csv.open_csv(
        file,
        arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
        arrow_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=remember),
        arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=names,
            include_missing_columns=True,
            null_values=MISSING,
            strings_can_be_null=True,
        ),
    )


def _parsed(path: Path, first_row: int, columns: Sequence[Column], texts: pa.RecordBatch) -> pa.RecordBatch:
    parsed = {}
    for column in columns:
        kind, text = PARSED_TYPES[column.kind], texts.column(column.name)
        if column.kind == "number":
            text = compute.utf8_trim_whitespace(text)
        try:
            parsed[column.name] = text.cast(kind)
        except pa.ArrowInvalid as error:
            row = next(row for row, value in enumerate(text) if not _casts(value, kind))
            expected = "a number" if column.kind == "number" else "a date and time such as 2013-05-19T14:15:00"
            value = texts.column(column.name)[row].as_py()
            raise TableUnreadable(
                f"{path}, row {first_row + row}: {column.name} should be {expected}; it is {value!r}."
            ) from error
    return pa.record_batch(parsed)


def _casts(value: pa.Scalar, kind: pa.DataType) -> bool:
    try:
        value.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _parquet_batches(file: parquet.ParquetFile, columns: Sequence[Column]) -> Batches:
    present = [column.name for column in columns if column.name in file.schema_arrow.names]
    done = 0
    for batch in file.iter_batches(batch_size=ROWS, columns=present, use_threads=False):
        done += batch.num_rows
        yield batch, done


def _check_header(path: Path, names: Sequence[str], columns: Sequence[Column]) -> None:
    """Refuses a file without the required columns, or with two of a name."""
    expected = f"the {len(columns)} columns of the model's schema"
    missing = [column.name for column in columns if column.required and column.name not in names]
    if columns and len(missing) == len(columns):
        content = f"it has {', '.join(names[:3])}" if names else "it is empty"
        raise TableUnreadable(f"{path} should hold {expected}, divided by commas; {content}, none of them.")
    if missing:
        raise TableUnreadable(f"{path} should hold {expected}; it lacks {', '.join(missing)}.")
    counts = Counter(names)
    if doubled := [column.name for column in columns if counts[column.name] > 1]:
        raise TableUnreadable(f"{path} should name each column once; it names {', '.join(doubled)} more than once.")


def _values(path: Path, column: Column, batch: pa.RecordBatch) -> npt.NDArray[Any]:
    """A column of a batch as the model takes it; a column that the file leaves out is missing in each row."""
    values = batch.column(column.name) if column.name in batch.schema.names else pa.nulls(batch.num_rows)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_null(values.type):
        values = values.cast(PARSED_TYPES[column.kind])
    if not _holds(column.kind, values.type):
        raise TableUnreadable(f"{path}: {column.name} should hold {HELD[column.kind]}; it holds {values.type}.")
    if column.kind == "category":
        return np.asarray(values.fill_null("").to_numpy(zero_copy_only=False), object)
    if column.kind == "number":
        with np.errstate(over="ignore"):  # beyond float32 is infinity, which is refused with the rest
            return np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float32)
    stamps = values.to_numpy(zero_copy_only=False).astype("datetime64[s]")
    return np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64).astype(np.float64))


def _holds(kind: str, arrow_type: pa.DataType) -> bool:
    if kind == "number":
        return bool(pa.types.is_floating(arrow_type) or pa.types.is_integer(arrow_type))
    if kind == "category":
        return bool(pa.types.is_string(arrow_type) or pa.types.is_large_string(arrow_type))
    return pa.types.is_timestamp(arrow_type) and arrow_type.tz is None
