"""Predicts each row of a table in Parquet files, partition by partition, with the model in data/model.

python -m pipeline.score data/processed/test scores            a folder of files: one of the same name for each
python -m pipeline.score flights.parquet scores.parquet        a file

The output has the probability and the label of each row, in the order of the rows; one that exists is not replaced. Memory
does not grow with the rows. With DASK_WORKERS=2, or DASK_SCHEDULER_ADDRESS, workers predict the partitions, to the same
bytes. For CSV files, and where the pipeline is not installed, `python -m prediction_api score` predicts a table in one
process, to the same values but for the last bits of double precision.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from column_types import csv_format
from pipeline import compute
from pipeline.config.paths import MODEL
from pipeline.data import partitions, table_io
from pipeline.score import output, part_scores
from pipeline.score.part_scores import Model, Part
from pipeline.support import console
from pipeline.support.errors import TableInvalid

MOST_ROWS = partitions.ROWS  # of a part: a larger file is cut, so that memory does not grow with its rows


def main() -> None:
    """Predicts the table. Raises an OntimeError where the model, the table or the output is not what it should be."""
    parser = console.parser(__spec__, __doc__)
    parser.add_argument("input", type=Path, help="a Parquet file, or a folder of them, with the columns of the model")
    parser.add_argument("output", type=Path, help="a new .parquet file for all rows, or a new folder with a file for each")
    parser.add_argument("--model", type=Path, default=MODEL, help="its directory (default: %(default)s)")
    arguments = parser.parse_args()
    model, files = Model.read(arguments.model), _files(arguments.input)
    output.check(arguments.output, arguments.input)
    rows = {str(file): _count_rows(file) for file in files}
    parts = sum(max(1, -(-count // MOST_ROWS)) for count in rows.values())  # pyarrow may cut a file into a few more
    step = console.step(f"predict {sum(rows.values()):,} rows", parts)
    with compute.open_engine() as engine, step as advance:
        tasks = (part for file in files for part in _read(file, rows[str(file)], model))
        results = engine.map(partial(part_scores.score, model), tasks, advance)
        output.write(results, rows, model.threshold, arguments.output)


def _files(path: Path) -> list[Path]:
    if path.is_dir() and (files := sorted(path.glob(f"*{table_io.ENDING}"))):
        return files
    if path.is_file() and csv_format.is_parquet(path):
        return [path]
    found = "a folder without Parquet files" if path.is_dir() else "something else" if path.exists() else "not there"
    raise TableInvalid(
        f"{path} should be a Parquet file, or a folder of them; it is {found}. Correct the path; CSV files are predicted by "
        "`python -m prediction_api score`."
    )


def _count_rows(file: Path) -> int:
    with part_scores.parquet_errors(str(file)):
        rows: int = parquet.read_metadata(file).num_rows
    return rows


def _read(file: Path, rows: int, model: Model) -> Iterator[Part]:
    """The parts of a file: the file itself, or at most MOST_ROWS at a time: a part may end with a row group."""
    if rows <= MOST_ROWS:
        yield Part(str(file), file.read_bytes(), 0)
        return
    with part_scores.parquet_errors(str(file)), parquet.ParquetFile(file) as content:
        names = [name for name in model.columns if name in content.schema_arrow.names]
        rows_before = 0
        for batch in content.iter_batches(MOST_ROWS, columns=names):
            yield Part(str(file), table_io.encode(pa.Table.from_batches([batch])), rows_before)
            rows_before += len(batch)


if __name__ == "__main__":
    console.run(main)
