"""Where the predictions of a table go: into a new file, or into a new folder with a file for each file of the table."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
from pyarrow import parquet

from pipeline.data import table_io
from pipeline.score.part_scores import Predictions
from pipeline.support import console
from pipeline.support.errors import TableInvalid

RESULT = pa.schema([("probability", pa.float64()), ("label", pa.bool_())])


def check(path: Path, source: Path) -> None:
    """Raises TableInvalid where the output would replace what is there, or be read as a part of the table at ``source``."""
    if path.suffix != table_io.ENDING and path.suffix:
        raise TableInvalid(f"{path} should be a {table_io.ENDING} file, or a folder. Give it such a name.")
    if source.is_dir() and path.resolve().is_relative_to(source.resolve()):
        raise TableInvalid(f"{path} should be outside {source}, all files of which are the table. Name another output.")
    _refuse_existing(path)


def write(results: Iterable[Predictions], rows: Mapping[str, int], threshold: float, path: Path) -> None:
    """Writes the predictions of the files of a table, each of so many ``rows``, which come file after file.

    Raises TableInvalid where a file has another number of predictions than rows, or the output exists by now.
    """
    files, written = groupby(results, key=itemgetter(0)), {}
    with _created(path) as new:
        if path.suffix:
            with _opened(new) as writer:
                written = {file: _add(parts, threshold, writer) for file, parts in files}
        else:
            new.mkdir()
            for file, parts in files:
                with _opened(new / Path(file).name) as writer:
                    written[file] = _add(parts, threshold, writer)
        if others := [file for file in rows if written.get(file) != rows[file]]:
            raise TableInvalid(
                f"{', '.join(others)} should have a prediction for each row; there are more or fewer, as if the table had "
                "changed meanwhile. Start again."
            )


def _add(parts: Iterable[Predictions], threshold: float, writer: parquet.ParquetWriter) -> int:
    """Writes the parts of a file, and returns the number of their rows."""
    rows = 0
    for _, probability in parts:
        writer.write_table(pa.table([probability, probability >= threshold], schema=RESULT))
        rows += len(probability)
    return rows


def _opened(path: Path) -> parquet.ParquetWriter:
    return parquet.ParquetWriter(path, RESULT, compression="zstd")


@contextmanager
def _created(path: Path) -> Iterator[Path]:
    """A place to write to, which gets the name ``path`` when the block ends without an error; else nothing is left of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder,
        console.at_stop(partial(shutil.rmtree, folder, ignore_errors=True)),
    ):
        new = Path(folder, path.name)
        yield new
        _refuse_existing(path)  # another run may have been faster
        new.rename(path)


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise TableInvalid(f"{path} exists already. Remove it, or name another output.")
