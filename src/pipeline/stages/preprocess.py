"""Stage: turns the raw tables into training and test examples, with what is known at prediction time."""

import json

from pipeline.config.params_file import load_columns, load_params
from pipeline.config.parsing import dump_settings, parse_settings
from pipeline.config.paths import COUNTS, DATASET, INFERRED_COLUMNS, PROCESSED, RAW, TEST_TABLE, TRAIN_TABLE
from pipeline.data import schema, split, table_io
from pipeline.files import atomic_write
from pipeline.recipes import loader
from pipeline.support import console


def main() -> None:
    settings = load_params()
    data = settings.data if settings.data.columns else settings.data.with_columns(load_columns(INFERRED_COLUMNS))
    recipe = loader.load_recipe(data.recipe)
    options = parse_settings(recipe.Options, data.options, prefix="data")
    dataset = data.dataset(loader.event_tables(data))
    with console.step("read the raw tables"):
        raw = {name: table_io.read(RAW / f"{name}.parquet") for name in data.tables}
    with console.step(f"make examples by {data.recipe}"):
        examples, left_out = recipe.examples(raw, data, options)
    with console.step("check and split the examples"):
        frame = schema.to_single_precision(examples, data.columns)
        invalid_rows = schema.check(frame, data.columns, "of examples", settings.preprocess.invalid_rows_allowed)
        train, test = split.split(frame, data.split, data.target.name)
    if invalid_rows:
        console.warn(f"{invalid_rows} examples break their declaration (preprocess.invalid_rows_allowed lets them pass)")
    with console.step(f"write {PROCESSED}"), atomic_write.replaced_folder(PROCESSED) as folder:
        table_io.write(train, folder / TRAIN_TABLE.name)
        table_io.write(test, folder / TEST_TABLE.name)
        counts = {"train": len(train), "test": len(test), "left_out": left_out}
        (folder / DATASET.name).write_text(dump_settings(dataset), encoding="utf-8")
        (folder / COUNTS.name).write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    console.run(main)
