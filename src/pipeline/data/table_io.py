"""Reads tables from CSV and Parquet files, and writes Parquet files whose bytes depend on the rows alone."""

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from pipeline.config.settings import Columns, RawTable
from pipeline.support.errors import TableInvalid, first_line

MISSING = RawTable.__dataclass_fields__["missing"].default
CSV_ENDINGS = (".csv", ".csv.zip", ".csv.gz", ".csv.bz2", ".csv.zst", ".tsv")
# The errors that the readers raise for a damaged or empty file.
UNREADABLE = (pa.ArrowException, zipfile.BadZipFile, zlib.error, EOFError, IndexError, OSError, UnicodeDecodeError)
PARQUET_ENDINGS = (".parquet", ".pq")


def read_source(path: Path, columns: Columns, missing: Iterable[str] = MISSING) -> pa.Table:
    """The table in a CSV (also .zip, .gz, .bz2, .zst, .tsv) or Parquet file, with all its columns.

    Declared categories stay text ("007" is not 7); other columns get the type that fits all their values.
    Raises TableInvalid where the file cannot be read as a table.
    """
    try:
        if path.name.endswith(PARQUET_ENDINGS):
            _refuse_duplicate_columns(pa.parquet.read_schema(path).names)
            return _dates_as_datetimes(pa.parquet.read_table(path), columns)
        if path.name.endswith(".csv.zip"):
            with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
                return _read_csv(file, columns, missing)
        if path.name.endswith(CSV_ENDINGS):
            return _read_csv(path, columns, missing)
    except UNREADABLE as error:
        raise TableInvalid(
            f"{path} cannot be read as a table: {first_line(error)}. Replace it by a complete file."
        ) from error
    raise TableInvalid(
        f"{path} should be a CSV or Parquet file ({', '.join(CSV_ENDINGS + PARQUET_ENDINGS)}); "
        f"its name ends in {path.suffix or 'nothing'}."
    )


def read(path: Path) -> pd.DataFrame:
    """A Parquet file that a stage wrote. Raises TableInvalid where it is missing or damaged."""
    try:
        return pa.parquet.read_table(path).to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise TableInvalid(
            f"{path} should be a Parquet file that an earlier stage wrote; reading it failed: {first_line(error)}. "
            "Type `dvc checkout --force` to restore it, or `dvc repro` to make it again."
        ) from error


def write(table: pa.Table | pd.DataFrame, path: Path) -> None:
    """Writes a Parquet file; the same rows give the same bytes."""
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table, preserve_index=False)
    pa.parquet.write_table(table, path, compression="zstd")


def _read_csv(file: Path | IO[bytes], columns: Columns, missing: Iterable[str]) -> pa.Table:
    text = {name: pa.string() for name, column in columns.items() if column.kind == "category"}
    is_tsv = isinstance(file, Path) and file.name.endswith(".tsv")
    table = pa.csv.read_csv(
        file,
        parse_options=pa.csv.ParseOptions(delimiter="\t" if is_tsv else ",", newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(column_types=text, null_values=list(missing), strings_can_be_null=True),
    )
    _refuse_duplicate_columns(table.column_names)
    return _dates_as_datetimes(table, columns)


def _refuse_duplicate_columns(names: list[str]) -> None:
    if duplicates := sorted({name for name in names if names.count(name) > 1}):
        raise TableInvalid(f"The table has more than one column named {', '.join(duplicates)}. Rename all but one.")


def _dates_as_datetimes(table: pa.Table, columns: Columns) -> pa.Table:
    """The table with dates as midnight in the columns that are declared as datetimes."""
    for index, field in enumerate(table.schema):
        if field.name in columns and columns[field.name].kind == "datetime" and pa.types.is_date(field.type):
            table = table.set_column(index, field.name, table.column(index).cast(pa.timestamp("s")))
    return table
