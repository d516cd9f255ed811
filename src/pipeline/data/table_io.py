"""Reads tables from CSV and Parquet files, and writes Parquet files whose bytes depend on the rows alone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from column_types import arrow, csv_format
from column_types.arrow import Reading
from pipeline.config.settings import Column, RawTable
from pipeline.data.source_errors import opened, read_errors, suggest_format
from pipeline.data.source_folder import open_folder, read_file
from pipeline.support.errors import TableInvalid, first_line

ENDING = ".parquet"  # of what the stages write
BLOCK_BYTES = (1 << 20, 1 << 28)  # of a CSV file, as pyarrow has it; and of one with a value that is longer
MARKER = "a text that means no value belongs into `missing`"
WAYS_OUT = {
    "number": (
        f"{MARKER}, a decimal comma into `decimal` (then no number has a point), and what is no number needs "
        "`kind: category`"
    ),
    "category": "what is a number or a datetime needs that `kind`",
    "datetime": f"{MARKER}, and another way to write dates into `format`",
}


def read_source(path: Path, declared: RawTable, target: str = "") -> pa.Table:
    """The table in a CSV file, also a packed one, in a Parquet file or in a folder of these, with all its columns.

    Declared columns are converted to their kind; in a CSV file the ``target`` stays text ("01" is not 1), and other columns
    get the type that fits all their values. Raises TableInvalid where the file cannot be read as a table.
    """
    table = _with_kinds(_read_whole(path, declared, target), path, declared, target)
    _refuse_empty(len(table), path, table.column_names)
    return table


def iterate_source(path: Path, declared: RawTable, target: str = "") -> Iterator[tuple[Path, int, pa.Table]]:
    """The table as `read_source` gives it: of a folder its files one by one, a large file in several parts; any other whole.

    Each part has the path of its file and the number of rows before it there.
    A part may have another type than the next one where a column is empty in it. Raises TableInvalid.
    """
    if not path.is_dir():
        yield path, 0, read_source(path, declared, target)
        return
    dataset, rows = open_folder(path, declared, target), 0
    for fragment in dataset.get_fragments():
        file, rows_before = Path(fragment.path), 0
        for table in _guarded(read_file(fragment, dataset.schema), file, declared):
            yield file, rows_before, _with_kinds(table, file, declared, target, rows_before)
            rows_before += len(table)
        rows += rows_before
    _refuse_empty(rows, path, dataset.schema.names)


def read_lines(lines: bytes, path: Path, declared: RawTable, rows_before: int = 0) -> pa.Table:
    """Some lines of a CSV file, of which the first names the columns, as `read_source` reads them; also no row at all.

    Messages count the rows of the file at ``path``, of which ``rows_before`` stand before these. Raises TableInvalid.
    """
    with read_errors(path, declared):
        table = pa.csv.read_csv(
            pa.BufferReader(lines), **csv_format.csv_options(declared, declared.columns, csv_format.is_tsv(path))
        )
    return _convert(table.replace_schema_metadata(None), path, declared, is_typed=False, rows_before=rows_before)


def files(folder: Path) -> list[Path]:
    """The Parquet files of a folder that a stage wrote, by name. Raises TableInvalid where it has none."""
    if not (paths := sorted(folder.glob(f"*{ENDING}"))):
        raise TableInvalid(
            f"{folder} should hold the Parquet files that an earlier stage wrote; it holds none. "
            "Type `dvc checkout --force` to restore them, or `dvc repro` to make them again."
        )
    return paths


def read(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """A Parquet file that a stage wrote, or all those of a folder as one table; with ``columns`` only these are read.

    Raises TableInvalid where one is missing or damaged.
    """
    parts = []
    for file in [path] if path.suffix == ENDING else files(path):
        with _parquet_errors(str(file)):
            content = file.read_bytes()
        parts.append(decode(content, str(file), columns))
    return pa.concat_tables(parts, promote_options="default").to_pandas()


def count_rows(file: Path) -> int:
    """The number of rows of a Parquet file that a stage wrote. Raises TableInvalid where it is missing or damaged."""
    with _parquet_errors(str(file)):
        rows: int = pa.parquet.read_metadata(file).num_rows
    return rows


def decode(content: bytes, path: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The table in the bytes of the file at ``path``; with ``columns`` only these, as far as there are such.

    Raises TableInvalid where they are damaged.
    """
    with _parquet_errors(path):
        return pa.parquet.ParquetFile(pa.BufferReader(content)).read(columns)


def encode(table: pa.Table | pd.DataFrame) -> bytes:
    """A table as the bytes of a Parquet file; the same rows give the same bytes."""
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table, preserve_index=False)
    content = pa.BufferOutputStream()
    pa.parquet.write_table(table.combine_chunks(), content, compression="zstd")
    return bytes(content.getvalue())


def write(table: pa.Table | pd.DataFrame, path: Path) -> None:
    """Writes a Parquet file; the same rows give the same bytes."""
    path.write_bytes(encode(table))


def _read_whole(path: Path, declared: RawTable, target: str) -> pa.Table:
    is_csv = csv_format.is_csv(path)
    if not (is_csv or csv_format.is_parquet(path) or path.is_dir()):
        raise TableInvalid(
            f"{path} should be a CSV or Parquet file, or a folder of Parquet files; its name ends in "
            f"{path.suffix or 'nothing'}. Convert it, or rename it to what it is: {csv_format.ENDINGS}."
        )
    with read_errors(path, declared):
        if path.is_dir():
            return open_folder(path, declared, target).to_table()
        return _read_csv(path, declared, target) if is_csv else pa.parquet.ParquetFile(path).read()


def _guarded(parts: Iterator[pa.Table], path: Path, declared: RawTable) -> Iterator[pa.Table]:
    """The parts of a file; what is wrong with it is said as of a whole file."""
    with read_errors(path, declared):
        yield from parts


def _refuse_empty(rows: int, path: Path, names: Sequence[str]) -> None:
    if not rows:
        raise TableInvalid(f"{path} has {len(names)} columns and no rows. Replace it by a file with rows.")


def _with_kinds(table: pa.Table, path: Path, declared: RawTable, target: str, rows_before: int = 0) -> pa.Table:
    """The columns that have a name, the declared ones and the target converted to their kinds."""
    with read_errors(path, declared):  # a name may be in another encoding
        names = [name for name in table.column_names if name]
    if (expected := declared.columns.keys() or {target} - {""}) and not expected & set(names):
        cure = suggest_format(path, declared) or "Correct their names in conf/data/; in a CSV file they are the first line."
        raise TableInvalid(f"{path} has none of the declared columns; it has {', '.join(names[:5])}. {cure}")
    if duplicates := sorted({name for name in names if names.count(name) > 1}):
        raise TableInvalid(f"{path} has more than one column named {', '.join(duplicates)}. Rename all but one.")
    table = table.select(names).replace_schema_metadata(None)
    if target in names and pa.types.is_binary(table.schema.field(target).type):
        declared = replace(declared, columns={**declared.columns, target: Column("category")})
    return _convert(table, path, declared, is_typed=not csv_format.is_csv(path), rows_before=rows_before)


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


def _read_csv(path: Path, declared: RawTable, target: str) -> pa.Table:
    options = csv_format.csv_options(declared, [*declared.columns, target], csv_format.is_tsv(path))
    for size in BLOCK_BYTES:
        options["read_options"].block_size = size
        try:
            with opened(path) as file:
                return pa.csv.read_csv(file, **options)
        except pa.ArrowInvalid as error:
            if "block" not in str(error) or size == BLOCK_BYTES[-1]:
                raise
    raise AssertionError


@contextmanager
def _parquet_errors(path: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise TableInvalid(
            f"{path} should be a Parquet file that an earlier stage wrote; reading it failed: {first_line(error)}. "
            "Type `dvc checkout --force` to restore it, or `dvc repro` to make it again."
        ) from error
