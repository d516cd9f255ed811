"""Reads tables and writes results as CSV or Parquet files, with pyarrow and in chunks: memory does not grow with the file.

Numbers arrive as float32 with NaN for missing, categories as text with "" for missing, datetimes as float64 seconds since
1970 on their own clock with NaN for missing. The model's schema says how its training file wrote values, and a CSV file is
read likewise. An empty line is a row only where the file has one column.
"""

import csv
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from column_types import arrow, csv_format
from column_types.arrow import Reading
from column_types.category_text import speller
from column_types.table_format import TableFormat
from prediction_api.errors import TableUnreadable
from prediction_api.model.artifact import Column, Schema
from prediction_api.model.record_fields import zone_words

CSV, PARQUET = ".csv", ".parquet"  # of what is written
CODECS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
BLOCK_BYTES, ROWS = 2 * 2**20, 16_384  # of a chunk: of a CSV file, of a Parquet file
RESULT = pa.schema([("probability", pa.float64()), ("label", pa.bool_())])
Write = Callable[[npt.NDArray[np.float64], npt.NDArray[np.bool_]], None]
UNREADABLE = (
    OSError, pa.ArrowException, UnicodeDecodeError, csv.Error, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError
)  # fmt: skip
Batches = Iterator[tuple[pa.RecordBatch, int]]  # each with how far the file is read by then


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file: the number of the first one (from 1), the columns, and how far the input is read by now."""

    path: Path
    first_row: int
    columns: dict[str, npt.NDArray[Any]]
    done: int


def read(path: Path, schema: Schema) -> tuple[int, str, Iterator[Chunk]]:
    """The size of a file, in which unit, and its chunks, whose ``done`` counts in that unit; of a folder those of its files.

    Raises TableUnreadable where the file, a column or a value is not what the schema wants.
    """
    _check_input(path)
    if csv_format.is_csv(path) and not path.is_dir():
        with _read_errors(path, schema.table_format):
            return path.stat().st_size, "B", _chunks(path, schema, _csv_batches(path, schema))
    files = sorted(path.glob(f"*{PARQUET}")) if path.is_dir() else [path]
    rows = [_count_rows(file, schema) for file in files]
    return sum(rows), "rows", _parquet_chunks(dict(zip(files, accumulate([0, *rows]), strict=False)), schema)


@contextmanager
def written(path: Path) -> Iterator[Write]:
    """A function that appends probabilities and labels to a new file, which takes its name only once all is written."""
    if path.suffix.lower() not in (CSV, PARQUET):
        raise TableUnreadable(f"{path} should be a .csv or .parquet file; give it such a name.")
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
    if path.suffix.lower() == PARQUET:
        return parquet.ParquetWriter(file, RESULT)
    file.write(f"{','.join(RESULT.names)}\n".encode())  # pyarrow would quote the names
    return arrow_csv.CSVWriter(file, RESULT, write_options=arrow_csv.WriteOptions(include_header=False))


def _check_input(path: Path) -> None:
    if path.is_dir():
        if not any(path.glob(f"*{PARQUET}")):
            raise TableUnreadable(f"{path} should be a file, or a folder of Parquet files; it is a folder without any.")
    elif not (csv_format.is_csv(path) or csv_format.is_parquet(path)):
        raise TableUnreadable(
            f"{path} should be a CSV or Parquet file; its name ends in {path.suffix or 'nothing'}. "
            f"Convert it, or rename it to what it is: {csv_format.ENDINGS}."
        )


@contextmanager
def _read_errors(path: Path, form: TableFormat) -> Iterator[None]:
    """Says what is wrong with a file that the system or pyarrow cannot read."""
    kind = f"CSV file in {form.encoding.upper()}" if csv_format.is_csv(path) else "Parquet file"
    try:
        yield
    except csv_format.NotOneTable as error:
        raise TableUnreadable(str(error)) from error
    except UNREADABLE as error:
        if isinstance(error, OSError) and error.strerror:
            raise TableUnreadable(f"{path} cannot be read: {error.strerror}.") from error
        reason = " ".join(str(error).split()).rstrip(".")
        raise TableUnreadable(f"{path} should be a {kind}; {reason}.") from error


def _chunks(path: Path, schema: Schema, batches: Batches) -> Iterator[Chunk]:
    first_row = 1
    with _read_errors(path, schema.table_format):
        for batch, done in batches:
            columns = {column.name: _values(path, first_row, column, batch, schema) for column in schema.columns}
            yield Chunk(path, first_row, columns, done)
            first_row += batch.num_rows


def _csv_batches(path: Path, schema: Schema) -> Batches:
    form = schema.table_format
    encoding = "utf-8-sig" if form.encoding == "utf-8" else form.encoding
    with _opened(path) as (file, _), TextIOWrapper(file, encoding, newline="") as text:
        header = next(csv.reader(islice(text, form.skip_rows, None), delimiter=_separator(path, form)), [])
    _check_header(path, header, schema)
    uneven_rows: list[Any] = []
    try:
        with _opened(path) as (file, done):
            for batch in _csv_reader(file, schema, uneven_rows, len(header) == 1, csv_format.is_tsv(path)):
                yield batch, done()
    except pa.ArrowInvalid as error:
        for row in uneven_rows:  # pyarrow counts the header as a row
            raise TableUnreadable(
                f"{path} should be a CSV file in {form.encoding.upper()}; row {row.number - 1} should hold "
                f"{row.expected_columns} values "
                f"like the header, not {row.actual_columns}."
            ) from error
        raise


@contextmanager
def _opened(path: Path) -> Iterator[tuple[pa.NativeFile, Callable[[], int]]]:
    """The content of a CSV file, unpacked, and how many bytes of the file are read by now."""
    packing = path.suffix.lower()
    if packing == ".zip":
        with csv_format.unzipped(path) as table:
            yield pa.PythonFile(table, "r"), lambda: 0  # an archive does not tell
        return
    with pa.OSFile(str(path)) as file:
        yield pa.CompressedInputStream(file, CODECS[packing]) if packing in CODECS else file, file.tell


def _separator(path: Path, form: TableFormat) -> str:
    return form.separator or ("\t" if csv_format.is_tsv(path) else ",")


def _csv_reader(
    file: pa.NativeFile, schema: Schema, uneven_rows: list[Any], is_single: bool, is_tsv: bool
) -> arrow_csv.CSVStreamingReader:
    """Gives the columns as text. A row with another number of values than the header is an error, and added to the list."""

    def remember(row: Any) -> str:
        uneven_rows.append(row)
        return "error"

    names = [column.name for column in schema.columns]
    options = csv_format.csv_options(schema.table_format, names, is_tsv)
    options["read_options"].use_threads, options["read_options"].block_size = False, BLOCK_BYTES
    options["parse_options"].ignore_empty_lines = not is_single
    options["parse_options"].invalid_row_handler = remember
    options["convert_options"].include_columns, options["convert_options"].include_missing_columns = names, True
    return arrow_csv.open_csv(file, **options)


def _count_rows(path: Path, schema: Schema) -> int:
    """The rows of a Parquet file, whose header is checked."""
    with _read_errors(path, schema.table_format), parquet.ParquetFile(path) as file:
        _check_header(path, file.schema_arrow.names, schema)
        return int(file.metadata.num_rows)


def _parquet_chunks(rows_before: Mapping[Path, int], schema: Schema) -> Iterator[Chunk]:
    """The chunks of Parquet files one after another, each file with the number of rows before it."""
    for path, done in rows_before.items():
        with _read_errors(path, schema.table_format):
            file = parquet.ParquetFile(path, pre_buffer=False, buffer_size=2**20)
        with file:
            yield from _chunks(path, schema, _parquet_batches(file, schema.columns, done))


def _parquet_batches(file: parquet.ParquetFile, columns: Sequence[Column], done: int) -> Batches:
    present = [column.name for column in columns if column.name in file.schema_arrow.names]
    for batch in file.iter_batches(batch_size=ROWS, columns=present, use_threads=False):
        done += batch.num_rows
        yield batch, done


def _check_header(path: Path, names: Sequence[str], schema: Schema) -> None:
    """Refuses a file without the required columns, or with two of a name."""
    columns = schema.columns
    expected = f"the {len(columns)} columns of the model's schema"
    missing = [column.name for column in columns if column.required and column.name not in names]
    if columns and len(missing) == len(columns):
        divided = _separator(path, schema.table_format)
        content = f"it has {', '.join(names[:3])}" if names else "it is empty"
        raise TableUnreadable(f"{path} should hold {expected}, in CSV divided by {divided!r}; {content}, none of them.")
    if missing:
        raise TableUnreadable(f"{path} should hold {expected}; it lacks {', '.join(missing)}.")
    counts = Counter(names)
    if doubled := [column.name for column in columns if counts[column.name] > 1]:
        raise TableUnreadable(f"{path} should name each column once; it names {', '.join(doubled)} more than once.")


def _values(path: Path, first_row: int, column: Column, batch: pa.RecordBatch, schema: Schema) -> npt.NDArray[Any]:
    """A column of a batch as the model takes it; a column that the file leaves out is missing in each row."""
    values = batch.column(column.name) if column.name in batch.schema.names else pa.nulls(batch.num_rows)
    spell = speller(column.known_categories) if column.kind == "category" else None
    is_typed, zones = not csv_format.is_csv(path), [column.time_zone]
    reading = Reading(schema.table_format, column.format, is_typed, zones, is_text_alone=spell is None)
    try:
        values = arrow.convert(values, column.kind, reading)
    except arrow.ValueInvalid as error:
        row = "" if error.row is None else f", row {first_row + error.row}"
        trained_on = {"datetime": f"datetimes {zone_words(column)}", "category": "text" if spell is None else "such values"}
        hint = f" The model was trained on {trained_on[column.kind]}." if column.kind in trained_on else ""
        raise TableUnreadable(f"{path}{row}: {column.name} {error}.{hint}") from error
    if column.kind == "category":
        texts = np.asarray(values.fill_null("").to_numpy(zero_copy_only=False), object)
        return texts if spell is None else np.array([spell(text) for text in texts.tolist()], object)
    if column.kind == "number":
        with np.errstate(over="ignore"):  # beyond float32 is infinity, which is refused with the rest
            return np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float32)
    stamps = values.to_numpy(zero_copy_only=False).astype("datetime64[s]")
    return np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64).astype(np.float64))
