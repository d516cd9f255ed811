"""Stage: copies the source tables into data/raw as Parquet, after checking them against their declaration."""

from pipeline import outputs, params, schema, sources, stage, tables
from pipeline.paths import RAW


def main() -> None:
    settings = params.load()
    files = sources.locate(settings.data)
    found = {}
    for name, declared in settings.data.tables.items():
        with stage.step(f"read and check {name}"):
            found[name] = tables.read_source(files[name], declared.columns, declared.missing)
            faulty = schema.check(found[name].to_pandas(), declared.columns, name, settings.ingest.invalid_rows_allowed)
        if faulty:
            stage.warn(f"{faulty} rows of {name} break their declaration (ingest.invalid_rows_allowed lets them pass)")
    with stage.step(f"write {RAW}"), outputs.replaced_folder(RAW) as folder:
        tables.write_all(found, folder)


if __name__ == "__main__":
    stage.run(main)
