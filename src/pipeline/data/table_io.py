"""Reads tables from CSV and Parquet files, and writes Parquet files whose bytes depend on the rows alone."""

import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import IO

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet
from pyarrow.dataset import get_partition_keys

from column_types import arrow, csv_format
from column_types.arrow import Reading
from pipeline.config.settings import Column, RawTable
from pipeline.support.errors import TableInvalid, first_line

# The errors that the readers raise for a damaged or empty file, or one in another encoding.
UNREADABLE = (pa.ArrowException, zipfile.BadZipFile, zlib.error, EOFError, OSError, UnicodeError, RuntimeError)
BLOCK_BYTES = (1 << 20, 1 << 28)  # of a CSV file, as pyarrow has it; and of one with a value that is longer
SEPARATORS = (";", "\t", "|", ",")
PLACE = "into the block of this table in conf/data/"
HEAD_BYTES = 1 << 16
MARKER = "a text that means no value belongs into `missing`"
WAYS_OUT = {
    "number": (
        f"{MARKER}, a decimal comma into `decimal` (then no number has a point), and what is no number needs "
        "`kind: category`"
    ),
    "category": "what is a number or a datetime needs that `kind`",
    "datetime": f"{MARKER}, and another way to write dates into `format`",
}
BYTE_ORDER_MARKS = {  # the longer ones first, because one of UTF-16 begins one of UTF-32
    "utf-32": (b"\xff\xfe\0\0", b"\0\0\xfe\xff"),
    "utf-16": (b"\xff\xfe", b"\xfe\xff"),
}


def read_source(path: Path, declared: RawTable, target: str = "") -> pa.Table:
    """The table in a CSV file, also a packed one, in a Parquet file or in a folder of these, with all its columns.

    Declared columns are converted to their kind; in a CSV file the ``target`` stays text ("01" is not 1), and other columns
    get the type that fits all their values. Raises TableInvalid where the file cannot be read as a table.
    """
    is_csv = csv_format.is_csv(path)
    if not (is_csv or csv_format.is_parquet(path) or path.is_dir()):
        raise TableInvalid(
            f"{path} should be a CSV or Parquet file, or a folder of Parquet files; its name ends in "
            f"{path.suffix or 'nothing'}. Convert it, or rename it to what it is: {csv_format.ENDINGS}."
        )
    with _read_errors(path, declared):
        if path.is_dir():
            table = _read_folder(path, declared, target)
        else:
            table = _read_csv(path, declared, target) if is_csv else pa.parquet.ParquetFile(path).read()
        names = [name for name in table.column_names if name]
    if (expected := declared.columns.keys() or {target} - {""}) and not expected & set(names):
        cure = _suggest_format(path, declared) or "Correct their names in conf/data/; in a CSV file they are the first line."
        raise TableInvalid(f"{path} has none of the declared columns; it has {', '.join(names[:5])}. {cure}")
    if duplicates := sorted({name for name in names if names.count(name) > 1}):
        raise TableInvalid(f"{path} has more than one column named {', '.join(duplicates)}. Rename all but one.")
    if not len(table):
        raise TableInvalid(f"{path} has {len(names)} columns and no rows. Replace it by a file with rows.")
    table = table.select(names).replace_schema_metadata(None)
    if target in names and pa.types.is_binary(table.schema.field(target).type):
        declared = replace(declared, columns={**declared.columns, target: Column("category")})
    return _convert(table, path, declared, is_typed=not is_csv)


def read_lines(lines: bytes, path: Path, declared: RawTable, rows_before: int = 0) -> pa.Table:
    """Some lines of a CSV file, of which the first names the columns, as `read_source` reads them; also no row at all.

    Messages count the rows of the file at ``path``, of which ``rows_before`` stand before these. Raises TableInvalid.
    """
    with _read_errors(path, declared):
        table = pa.csv.read_csv(
            pa.BufferReader(lines), **csv_format.csv_options(declared, declared.columns, csv_format.is_tsv(path))
        )
    return _convert(table.replace_schema_metadata(None), path, declared, is_typed=False, rows_before=rows_before)


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


def _convert(table: pa.Table, path: Path, declared: RawTable, is_typed: bool, rows_before: int = 0) -> pa.Table:
    """The table with its declared columns converted to their kinds."""
    for name, column in declared.columns.items():
        if name not in table.column_names:
            continue  # pipeline.data.schema says which columns are missing
        try:
            values = arrow.convert(table[name], column.kind, Reading(declared, column.format, is_typed))
        except arrow.ValueInvalid as error:
            row = "" if error.row is None else f", row {rows_before + error.row + 1:,}"
            raise TableInvalid(
                f"{path}{row}: {name} {error}. Correct the table, or the declaration in conf/data/: {WAYS_OUT[column.kind]}."
            ) from error
        table = table.set_column(table.column_names.index(name), name, values)
    return table


def _read_folder(path: Path, declared: RawTable, target: str) -> pa.Table:
    """The rows of all Parquet files below a folder, whose subfolders may name a partition, such as year=2013."""
    try:
        dataset = pa.dataset.dataset(path, format="parquet", partitioning="hive")
        files = list(dataset.get_fragments())
        parts = [_without_dictionaries(file.physical_schema) for file in files]
        if not files:
            raise TableInvalid(f"{path} should hold Parquet files; it holds none. Put them there, or correct the path.")
        whole = pa.unify_schemas([*parts, _without_dictionaries(dataset.schema)], promote_options="permissive")
    except (pa.ArrowException, OSError) as error:
        raise TableInvalid(
            f"{path} should hold Parquet files alone, with one type for each column; {first_line(error)}. Take other files "
            "out of it, or write that column as one type."
        ) from error
    columns = declared.columns.keys() | {target} if declared.columns else set(whole.names)
    for file, part in zip(files, parts, strict=True):
        if lacking := sorted(columns & set(whole.names) - {*part.names, *get_partition_keys(file.partition_expression)}):
            raise TableInvalid(
                f"{file.path} should have the columns of the other files in {path}; it lacks {', '.join(lacking)}. "
                "Add them, empty where nothing is known, or take the file out of the folder."
            )
    return pa.dataset.dataset(path, whole, format="parquet", partitioning="hive").to_table()


def _without_dictionaries(schema: pa.Schema) -> pa.Schema:
    """The schema with the types of the values that are encoded: one file may have a dictionary and the next none."""
    return pa.schema(
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field for field in schema
    )


def _read_csv(path: Path, declared: RawTable, target: str) -> pa.Table:
    options = csv_format.csv_options(declared, [*declared.columns, target], csv_format.is_tsv(path))
    for size in BLOCK_BYTES:
        options["read_options"].block_size = size
        try:
            with _opened(path) as file:
                return pa.csv.read_csv(file, **options)
        except pa.ArrowInvalid as error:
            if "block" not in str(error) or size == BLOCK_BYTES[-1]:
                raise
    raise AssertionError


@contextmanager
def _opened(path: Path) -> Iterator[Path | IO[bytes]]:
    """A file as pyarrow reads it, which unpacks all packings but zip; of an archive, the one table in it."""
    if not path.name.lower().endswith(".zip"):
        yield path
        return
    try:
        with csv_format.unzipped(path) as file:
            yield file
    except csv_format.NotOneTable as error:
        raise TableInvalid(str(error)) from error


@contextmanager
def _read_errors(path: Path, declared: RawTable) -> Iterator[None]:
    """Says what is wrong with a file that cannot be read, and which setting would help where the file shows it."""
    try:
        yield
    except UNREADABLE as error:
        is_encoded_otherwise = isinstance(error, UnicodeError) or "UTF8" in str(error)
        cure = _suggest_format(path, declared) or (
            f"It is not {declared.encoding}: write `encoding: latin-1`, or another one, {PLACE}."
            if is_encoded_otherwise
            else "Correct that row, or replace the file by a complete one."
        )
        raise TableInvalid(f"{path} cannot be read as a table: {first_line(error)}. {cure}") from error


def _suggest_format(path: Path, declared: RawTable) -> str:
    """Which setting the beginning of a CSV file asks for; nothing where it looks as declared."""
    if not csv_format.is_csv(path):
        return ""
    try:
        with _opened(path) as file, pa.input_stream(file if isinstance(file, Path) else pa.PythonFile(file)) as stream:
            head = stream.read(HEAD_BYTES)
        for encoding, marks in BYTE_ORDER_MARKS.items():
            if head.startswith(marks) and not declared.encoding.startswith(encoding):
                return f"It looks like {encoding.upper()}: write `encoding: {encoding}` {PLACE}."
        if b"\0" in head and declared.encoding == "utf-8":
            return (
                "It is no text in UTF-8, but perhaps a workbook or an archive: save the table as a CSV or Parquet file. If "
                f"it is text, write its encoding, such as `encoding: utf-16-le`, {PLACE}."
            )
        lines = head.decode(declared.encoding, errors="replace").splitlines()[declared.skip_rows :]
    except UNREADABLE:
        return ""
    comments = len(list(takewhile(lambda line: line.startswith("#"), lines)))
    if comments:
        return f"It begins with a comment: write `skip_rows: {declared.skip_rows + comments}` {PLACE}."
    separator = declared.separator or ("\t" if csv_format.is_tsv(path) else ",")
    header = lines[0] if lines else ""
    others = [other for other in SEPARATORS if other in header] if separator not in header else []
    return (
        f"It looks like values divided by {others[0]!r}: write `separator: {json.dumps(others[0])}` {PLACE}."
        if others
        else ""
    )
