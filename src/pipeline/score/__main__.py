"""Predicts each row of a table in Parquet files, partition by partition, with the model in data/model.

python -m pipeline.score data/processed/test scores            a folder of files: one of the same name for each
python -m pipeline.score flights.parquet scores.parquet        a file

The output has the probability and the label of each row, in the order of the rows. Memory does not grow with their number.
With DASK_WORKERS=2, or DASK_SCHEDULER_ADDRESS, workers predict the partitions, to the same bytes. For CSV files, and where
the pipeline is not installed, `python -m prediction_api score` predicts a table in one process, to the same values.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import parquet

from column_types import csv_format
from pipeline import compute
from pipeline.config.paths import MODEL
from pipeline.data import partitions, table_io
from pipeline.files import atomic_write
from pipeline.score import part_scores
from pipeline.score.part_scores import Model, Part
from pipeline.support import console
from pipeline.support.errors import TableInvalid

MOST_ROWS = partitions.ROWS  # of a part: a larger file is cut, so that memory does not grow with its rows
RESULT = pa.schema([("probability", pa.float64()), ("label", pa.bool_())])


def main() -> None:
    """Predicts the table. Raises an OntimeError where the model, the table or the output is not what it should be."""
    parser = console.parser(__spec__, __doc__)
    parser.add_argument("input", type=Path, help="a Parquet file, or a folder of them, with the columns of the model")
    parser.add_argument("output", type=Path, help="a .parquet file for all rows, or a new folder for a file of each file")
    parser.add_argument("--model", type=Path, default=MODEL, help="its directory (default: %(default)s)")
    arguments = parser.parse_args()
    model, files = Model.read(arguments.model), _files(arguments.input)
    _check_output(arguments.output, arguments.input)
    rows = {file: _count_rows(file) for file in files}
    parts = {file: max(1, -(-count // MOST_ROWS)) for file, count in rows.items()}
    step = console.step(f"predict {sum(rows.values()):,} rows", sum(parts.values()))
    with compute.open_engine() as engine, step as advance:
        tasks = (part for file in files for part in _read(file, parts[file], model))
        results = engine.map(partial(part_scores.score, model), tasks, advance)
        _write(results, parts, model.threshold, arguments.output)


def _files(path: Path) -> list[Path]:
    if path.is_dir() and (files := sorted(path.glob(f"*{table_io.ENDING}"))):
        return files
    if path.is_file() and csv_format.is_parquet(path):
        return [path]
    found = "a folder without" if path.is_dir() else "something else" if path.exists() else "not there"
    raise TableInvalid(
        f"{path} should be a Parquet file, or a folder of them; it is {found}. Correct the path; CSV files are predicted by "
        "`python -m prediction_api score`."
    )


def _check_output(path: Path, source: Path) -> None:
    """Raises TableInvalid where the output would replace what is there."""
    if path.suffix != table_io.ENDING and path.suffix:
        raise TableInvalid(f"{path} should be a {table_io.ENDING} file, or a folder. Give it such a name.")
    if path.is_dir() or (path.exists() and path.samefile(source)):
        raise TableInvalid(f"{path} should be a place for the predictions; there is something. Remove it, or name another.")


def _count_rows(file: Path) -> int:
    with part_scores.parquet_errors(str(file)):
        rows: int = parquet.read_metadata(file).num_rows
    return rows


def _read(file: Path, parts: int, model: Model) -> Iterator[Part]:
    """The parts of a file: the file itself, or so many rows at a time."""
    if parts == 1:
        yield Part(str(file), file.read_bytes(), 0)
        return
    with part_scores.parquet_errors(str(file)), parquet.ParquetFile(file) as content:
        names = [name for name in model.columns if name in content.schema_arrow.names]
        rows_before = 0
        for batch in content.iter_batches(MOST_ROWS, columns=names):
            yield Part(str(file), table_io.encode(pa.Table.from_batches([batch])), rows_before)
            rows_before += len(batch)


def _write(results: Iterator[npt.NDArray[np.float64]], parts: Mapping[Path, int], threshold: float, path: Path) -> None:
    """Writes the results of all parts into one file, or those of each file into one of the same name in a folder."""
    if path.suffix:
        with _replaced_file(path) as new:
            _write_file(results, threshold, new)
        return
    with atomic_write.replaced_folder(path) as folder:
        for file, count in parts.items():
            _write_file(islice(results, count), threshold, folder / file.name)


def _write_file(results: Iterator[npt.NDArray[np.float64]], threshold: float, path: Path) -> None:
    with parquet.ParquetWriter(path, RESULT, compression="zstd") as writer:
        for probability in results:
            writer.write_table(pa.table([probability, probability >= threshold], schema=RESULT))


@contextmanager
def _replaced_file(path: Path) -> Iterator[Path]:
    """A new file to write, which takes the name of ``path`` when the block ends without an error."""
    new = path.with_name(f".{path.name}.new")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield new
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


if __name__ == "__main__":
    console.run(main)
