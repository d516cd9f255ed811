"""Stage: copies the source tables into data/raw as Parquet, in partitions, after checking them against their declaration."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from pipeline.config.contradictions import refuse_contradictions
from pipeline.config.params_file import load_params
from pipeline.config.paths import INFERRED_COLUMNS, RAW
from pipeline.config.settings import Data, RawTable
from pipeline.data import column_inference, schema, sources, table_io
from pipeline.data.key_index import KeyIndex
from pipeline.data.partition_writer import PartitionWriter
from pipeline.files import atomic_write
from pipeline.support import console


def main() -> None:
    settings = load_params()
    files = sources.locate(settings.data)
    data = settings.data if settings.data.columns else _infer_columns(settings.data, files)
    with atomic_write.replaced_folder(RAW) as folder:
        for name, declared in data.tables.items():
            check = schema.TableCheck(name, settings.ingest.invalid_rows_allowed)
            _copy(files[name], declared, data.target.name, check, folder / name)
            if check.invalid_rows:
                allowed = "ingest.invalid_rows_allowed lets them pass"
                console.warn(f"{check.invalid_rows} rows of {name} break their declaration ({allowed})")
        if not settings.data.columns:
            (folder / INFERRED_COLUMNS.name).write_text(column_inference.dump(data.columns), encoding="utf-8")


def _copy(source: Path, declared: RawTable, target: str, check: schema.TableCheck, folder: Path) -> None:
    """Writes a table as partitions; of a folder of files one, or a part of one, is read at a time."""
    name, writer = folder.name, PartitionWriter(folder, declared.partition_by)
    keys = KeyIndex(folder / ".keys", declared.key, name)
    with console.step(f"read and check {name}", _count_files(source)) as advance:
        for file, rows_before, table in table_io.iterate_source(source, declared, target):
            rows, place = _declared_columns(table, declared), "" if file == source else str(file)
            check.add(schema.inspect(rows, declared.columns, table.column_names, rows_before), place)
            keys.add(rows, place, rows_before)
            writer.add(table, file)
            if rows_before == 0:
                advance()
        check.finish()
        keys.finish(lambda numbers: _read_again(source, declared, target, numbers))
    with console.step(f"write {RAW / name}", writer.count()) as advance:
        writer.finish(advance)


def _count_files(source: Path) -> int:
    return len(list(source.rglob(f"*{table_io.ENDING}"))) if source.is_dir() else 1


def _read_again(source: Path, declared: RawTable, target: str, numbers: Sequence[int]) -> Iterator[tuple[int, pd.DataFrame]]:
    for number, (*_, table) in enumerate(table_io.iterate_source(source, declared, target)):
        if number in numbers:
            yield number, _declared_columns(table, declared)


def _declared_columns(table: pa.Table, declared: RawTable) -> pd.DataFrame:
    return table.select([name for name in declared.columns if name in table.column_names]).to_pandas()


def _infer_columns(data: Data, files: Mapping[str, Path]) -> Data:
    """The data set with the columns that its table has, and which of these it leaves out, said with the reason."""
    ((name, declared),) = data.tables.items()
    with console.step(f"infer the columns of {name}"):
        table = table_io.read_source(files[name], declared, data.target.name)
        columns, remarks = column_inference.infer(table, data.target.name)
    console.warn(
        f"No columns are declared, so the model takes those of the table: {', '.join(columns)}. {INFERRED_COLUMNS} declares "
        f"them; to change that, copy it into the file in conf/data/. {' '.join(remarks)}".rstrip()
    )
    inferred = data.with_columns(columns)
    refuse_contradictions(inferred)
    return inferred


if __name__ == "__main__":
    console.run(main)
