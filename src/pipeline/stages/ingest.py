"""Stage: copies the source tables into data/raw as Parquet, after checking them against their declaration."""

from pipeline.config.params_file import load_params
from pipeline.config.paths import RAW
from pipeline.data import schema, sources, table_io
from pipeline.files import atomic_write
from pipeline.support import console


def main() -> None:
    settings = load_params()
    files = sources.locate(settings.data)
    tables = {}
    for name, declared in settings.data.tables.items():
        with console.step(f"read and check {name}"):
            tables[name] = table_io.read_source(files[name], declared, settings.data.target.name)
            invalid_rows = schema.check(
                tables[name].to_pandas(), declared.columns, name, settings.ingest.invalid_rows_allowed
            )
        if invalid_rows:
            console.warn(
                f"{invalid_rows} rows of {name} break their declaration (ingest.invalid_rows_allowed lets them pass)"
            )
    with console.step(f"write {RAW}"), atomic_write.replaced_folder(RAW) as folder:
        for name, table in tables.items():
            table_io.write(table, folder / f"{name}.parquet")


if __name__ == "__main__":
    console.run(main)
