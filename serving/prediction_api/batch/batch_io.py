"""Reads CSV and Parquet files chunk by chunk and writes results the same way: memory does not grow with the file.

Numbers come as float32 with NaN for missing, categories as text with "" for missing, datetimes as float64 seconds since
1970 on their own clock with NaN for missing. CSV needs nothing beside Python; Parquet needs pyarrow (the extra `score`).
"""

import csv
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from prediction_api.errors import TableUnreadable
from prediction_api.model.artifact import Column
from prediction_api.model.onnx_model import seconds

ROWS = 16_384
MISSING = frozenset(("", "NA", "N/A", "NaN", "nan", "NULL", "null"))  # as the pipeline reads a CSV file
Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file: the number of the first one (from 1), the columns, and how far the file is read by now."""

    first_row: int
    columns: Columns
    done: int


class Writer(Protocol):
    """Takes the results of one chunk after the other."""

    def write(self, probability: npt.NDArray[np.float64], label: npt.NDArray[np.bool_]) -> None:
        """Appends the rows of a chunk."""


def read(path: Path, columns: Sequence[Column]) -> tuple[int, str, Iterator[Chunk]]:
    """The size of a file, in which unit, and its chunks, whose ``done`` counts in that unit.

    Raises TableUnreadable where the file, a column or a value is not what the schema wants.
    """
    if path.suffix == ".parquet":
        return _read_parquet(path, columns)
    if path.suffix == ".csv":
        return _read_csv(path, columns)
    raise TableUnreadable(f"{path} should be a .csv or .parquet file; give it such a name.")


@contextmanager
def written(path: Path) -> Iterator[Writer]:
    """A writer to a new file that takes its name only once all is written: no half file is ever found there."""
    if path.suffix not in (".csv", ".parquet"):
        raise TableUnreadable(f"{path} should be a .csv or .parquet file; give it such a name.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with (_written_parquet if path.suffix == ".parquet" else _written_csv)(temporary) as writer:
            yield writer
        temporary.replace(path)
    except OSError as error:
        raise TableUnreadable(
            f"{path} cannot be written: {error.strerror or error}. Make room, or choose another place."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _read_csv(path: Path, columns: Sequence[Column]) -> tuple[int, str, Iterator[Chunk]]:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise TableUnreadable(f"{path} cannot be read: {error.strerror}.") from error
    return size, "B", _csv_chunks(path, columns)


def _csv_chunks(path: Path, columns: Sequence[Column]) -> Iterator[Chunk]:
    try:
        with path.open("rb") as raw, open(raw.fileno(), encoding="utf-8-sig", newline="", closefd=False) as text:
            rows = csv.reader(text, strict=True)
            header = next(rows, [])
            place = _places(path, header, columns)
            first = 1
            while chunk := list(islice(rows, ROWS)):
                for number, row in enumerate(chunk, first):
                    if len(row) != len(header):
                        raise TableUnreadable(
                            f"{path}, row {number} should hold {len(header)} values like the header, not {len(row)}."
                        )
                by_place = list(zip(*chunk, strict=True))
                taken = {
                    column.name: _from_text(path, first, column, by_place[place[column.name]])
                    for column in columns
                    if column.name in place
                }
                yield Chunk(first, _filled(taken, columns, len(chunk)), os.lseek(raw.fileno(), 0, os.SEEK_CUR))
                first += len(chunk)
    except (csv.Error, UnicodeDecodeError) as error:
        raise TableUnreadable(f"{path} should be a CSV file in UTF-8; {error}.") from error
    except OSError as error:
        raise TableUnreadable(f"{path} cannot be read: {error.strerror or error}.") from error


def _from_text(path: Path, first: int, column: Column, values: Sequence[str]) -> npt.NDArray[Any]:
    if column.kind == "category":
        return np.array(["" if value in MISSING else value for value in values], object)
    convert = _number_of_text if column.kind == "number" else _seconds_of_text
    kind = np.float32 if column.kind == "number" else np.float64
    try:
        with np.errstate(over="ignore"):  # beyond float32 is infinity, which is refused with the rest
            return np.array([np.nan if value in MISSING else convert(value) for value in values], kind)
    except ValueError:
        row, value = next(
            (row, value) for row, value in enumerate(values, first) if value not in MISSING and not _converts(convert, value)
        )
        wanted = "a number" if column.kind == "number" else "a date and time such as 2013-05-19T14:15:00"
        raise TableUnreadable(f"{path}, row {row}: {column.name} should be {wanted}; it is {value!r}.") from None


def _number_of_text(value: str) -> float:
    if "_" in value:  # Python's own notation
        raise ValueError(value)
    return float(value)


def _seconds_of_text(value: str) -> float:
    found = datetime.fromisoformat(value)
    if found.tzinfo is not None:
        raise ValueError(value)
    return seconds(found)


def _converts(convert: Any, value: str) -> bool:
    try:
        convert(value)
    except ValueError:
        return False
    return True


def _read_parquet(path: Path, columns: Sequence[Column]) -> tuple[int, str, Iterator[Chunk]]:
    parquet = _pyarrow(path)
    import pyarrow as pa

    if not path.is_file():
        raise TableUnreadable(f"{path} cannot be read: there is no such file.")
    try:
        file = parquet.ParquetFile(path, pre_buffer=False, buffer_size=2**20)
    except (OSError, pa.ArrowInvalid) as error:
        raise TableUnreadable(f"{path} should be a Parquet file; {str(error).rstrip('.')}.") from error
    _places(path, file.schema_arrow.names, columns)
    return file.metadata.num_rows, "rows", _parquet_chunks(path, file, columns)


def _parquet_chunks(path: Path, file: Any, columns: Sequence[Column]) -> Iterator[Chunk]:
    import pyarrow as pa

    names, first = [column.name for column in columns if column.name in file.schema_arrow.names], 1
    batches = file.iter_batches(batch_size=ROWS, columns=names, use_threads=False)
    while True:
        try:
            batch = next(batches, None)
        except (OSError, pa.ArrowException) as error:
            raise TableUnreadable(
                f"{path} should be a Parquet file; after row {first - 1}: {' '.join(str(error).split())}"
            ) from error
        if batch is None:
            return
        taken = {
            column.name: _from_arrow(path, column, batch.column(column.name)) for column in columns if column.name in names
        }
        yield Chunk(first, _filled(taken, columns, batch.num_rows), first + batch.num_rows - 1)
        first += batch.num_rows


def _from_arrow(path: Path, column: Column, values: Any) -> npt.NDArray[Any]:
    import pyarrow as pa

    found = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if column.kind == "number" and (pa.types.is_floating(found) or pa.types.is_integer(found)):
        return np.asarray(
            values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            if found != pa.float32()
            else values.to_numpy(zero_copy_only=False),
            np.float32,
        )
    if column.kind == "category" and (pa.types.is_string(found) or pa.types.is_large_string(found)):
        plain = values.cast(found) if found is not values.type else values
        return np.asarray(plain.fill_null("").to_numpy(zero_copy_only=False), object)
    if column.kind == "datetime" and pa.types.is_timestamp(found) and found.tz is None:
        stamps = values.to_numpy(zero_copy_only=False).astype("datetime64[s]")
        return np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64).astype(np.float64))
    if pa.types.is_null(found):
        return np.full(len(values), "", object) if column.kind == "category" else np.full(len(values), np.nan)
    wanted = {"number": "numbers", "category": "text", "datetime": "timestamps without a time zone"}[column.kind]
    raise TableUnreadable(f"{path}: {column.name} should hold {wanted}; it holds {values.type}.")


def _places(path: Path, header: Sequence[str], columns: Sequence[Column]) -> dict[str, int]:
    missing = [column.name for column in columns if column.required and column.name not in header]
    if columns and len(missing) == len(columns):
        found = f"it has {', '.join(header[:3])}" if header else "it is empty"
        wanted = f"the {len(columns)} columns of the model's schema, divided by commas"
        raise TableUnreadable(f"{path} should hold {wanted}; {found}, none of them.")
    if missing:
        raise TableUnreadable(
            f"{path} should hold the {len(columns)} columns of the model's schema; it lacks {', '.join(missing)}."
        )
    return {name: place for place, name in enumerate(header)}


def _filled(taken: Columns, columns: Sequence[Column], rows: int) -> Columns:
    """The columns in the schema's order, empty where the file may leave them out and does."""
    for column in columns:
        if column.name not in taken:
            taken[column.name] = np.full(rows, "", object) if column.kind == "category" else np.full(rows, np.nan)
    return taken


@contextmanager
def _written_csv(path: Path) -> Iterator[Writer]:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("probability,label\n")
        yield _CsvWriter(file)


@dataclass(frozen=True)
class _CsvWriter:
    file: Any

    def write(self, probability: npt.NDArray[np.float64], label: npt.NDArray[np.bool_]) -> None:
        rows = zip(probability.tolist(), label.tolist(), strict=True)
        self.file.write("".join([f"{one!r},{'true' if yes else 'false'}\n" for one, yes in rows]))


@contextmanager
def _written_parquet(path: Path) -> Iterator[Writer]:
    parquet = _pyarrow(path)
    import pyarrow as pa

    schema = pa.schema([("probability", pa.float64()), ("label", pa.bool_())])
    with parquet.ParquetWriter(path, schema) as writer:
        yield _ParquetWriter(writer, schema)


@dataclass(frozen=True)
class _ParquetWriter:
    writer: Any
    schema: Any

    def write(self, probability: npt.NDArray[np.float64], label: npt.NDArray[np.bool_]) -> None:
        import pyarrow as pa

        self.writer.write_table(pa.table([probability, label], schema=self.schema))


def _pyarrow(path: Path) -> Any:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise TableUnreadable(f"{path} needs a Parquet reader: `pip install pyarrow`, or use a .csv file.") from error
    return parquet
