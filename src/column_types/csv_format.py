"""How CSV files are read: the endings of their names, packings, and a declared format with its separator and encoding."""

import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
from pyarrow import csv

from column_types.table_format import TableFormat

CSV_NAMES, PACKINGS, PARQUET_ENDINGS = (".csv", ".tsv", ".txt"), (".zip", ".gz", ".bz2", ".zst"), (".parquet", ".pq")
CSV_ENDINGS = tuple(f"{name}{packing}" for name in CSV_NAMES for packing in ("", *PACKINGS))
ENDINGS = f"{', '.join(CSV_NAMES)}, also with {', '.join(PACKINGS)}, or {', '.join(PARQUET_ENDINGS)}"


class NotOneTable(ValueError):
    """An archive holds no file, or several."""


def is_csv(path: Path) -> bool:
    """Whether a file is a CSV file by its name, also a packed one."""
    return path.name.lower().endswith(CSV_ENDINGS)


def is_parquet(path: Path) -> bool:
    """Whether a file is a Parquet file by its name."""
    return path.name.lower().endswith(PARQUET_ENDINGS)


def is_tsv(path: Path) -> bool:
    """Whether tabs divide the values of a file whose format declares no separator."""
    return ".tsv" in path.name.lower()


@contextmanager
def unzipped(path: Path) -> Iterator[IO[bytes]]:
    """The one table in an archive. Raises NotOneTable."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]
        tables = [name for name in names if not Path(name).name.startswith(".")]
        if len(tables) != 1:
            raise NotOneTable(
                f"{path} should hold one file, the table; it holds {len(tables)}: {', '.join(tables[:5]) or 'none'}. "
                "Pack the table alone."
            )
        with archive.open(tables[0]) as file:
            yield file


def csv_options(form: TableFormat, text: Iterable[str], is_tsv: bool = False) -> dict[str, Any]:
    """What pyarrow's CSV readers take for a file of some format; the columns ``text`` are read as they are written."""
    return {
        "read_options": csv.ReadOptions(encoding=form.encoding, skip_rows=form.skip_rows),
        "parse_options": csv.ParseOptions(delimiter=form.separator or ("\t" if is_tsv else ","), newlines_in_values=True),
        "convert_options": csv.ConvertOptions(
            column_types=dict.fromkeys(text, pa.string()),
            null_values=form.missing,
            strings_can_be_null=True,
            decimal_point=form.decimal,
        ),
    }
