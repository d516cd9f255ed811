"""Stage: copies the source tables into data/raw as Parquet, after checking them against their declaration."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.config.contradictions import refuse_contradictions
from pipeline.config.params_file import load_params
from pipeline.config.paths import INFERRED_COLUMNS, RAW
from pipeline.config.settings import Data
from pipeline.data import column_inference, schema, sources, table_io, table_key
from pipeline.files import atomic_write
from pipeline.support import console


def main() -> None:
    settings = load_params()
    files = sources.locate(settings.data)
    data = settings.data if settings.data.columns else _infer_columns(settings.data, files)
    tables = {}
    for name, declared in data.tables.items():
        with console.step(f"read and check {name}"):
            tables[name] = table_io.read_source(files[name], declared, data.target.name)
            rows = tables[name].to_pandas()
            invalid_rows = schema.check(rows, declared.columns, name, settings.ingest.invalid_rows_allowed)
            table_key.check(rows, declared.key, name)
        if invalid_rows:
            console.warn(
                f"{invalid_rows} rows of {name} break their declaration (ingest.invalid_rows_allowed lets them pass)"
            )
    with console.step(f"write {RAW}"), atomic_write.replaced_folder(RAW) as folder:
        for name, table in tables.items():
            table_io.write(table, folder / f"{name}.parquet")
        if not settings.data.columns:
            (folder / INFERRED_COLUMNS.name).write_text(column_inference.dump(data.columns), encoding="utf-8")


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
