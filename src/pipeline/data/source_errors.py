"""What is wrong with a source file that cannot be read, and which setting would help."""

import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import IO

import pyarrow as pa

from column_types import csv_format
from pipeline.config.settings import RawTable
from pipeline.support.errors import TableInvalid, first_line

# The errors that the readers raise for a damaged or empty file, or one in another encoding.
UNREADABLE = (pa.ArrowException, zipfile.BadZipFile, zlib.error, EOFError, OSError, UnicodeError, RuntimeError)
SEPARATORS = (";", "\t", "|", ",")
PLACE = "into the block of this table in conf/data/"
HEAD_BYTES = 1 << 16
BYTE_ORDER_MARKS = {  # the longer ones first, because one of UTF-16 begins one of UTF-32
    "utf-32": (b"\xff\xfe\0\0", b"\0\0\xfe\xff"),
    "utf-16": (b"\xff\xfe", b"\xfe\xff"),
}


@contextmanager
def opened(path: Path) -> Iterator[Path | IO[bytes]]:
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
def read_errors(path: Path, declared: RawTable) -> Iterator[None]:
    """Says what is wrong with a file that cannot be read, and which setting would help where the file shows it."""
    try:
        yield
    except UNREADABLE as error:
        is_encoded_otherwise = isinstance(error, UnicodeError) or "UTF8" in str(error)
        cure = suggest_format(path, declared) or (
            f"It is not {declared.encoding}: write `encoding: latin-1`, or another one, {PLACE}."
            if is_encoded_otherwise
            else "Correct that row, or replace the file by a complete one."
        )
        raise TableInvalid(f"{path} cannot be read as a table: {first_line(error)}. {cure}") from error


def suggest_format(path: Path, declared: RawTable) -> str:
    """Which setting the beginning of a CSV file asks for; nothing where it looks as declared."""
    if not csv_format.is_csv(path):
        return ""
    try:
        with opened(path) as file, pa.input_stream(file if isinstance(file, Path) else pa.PythonFile(file)) as stream:
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
