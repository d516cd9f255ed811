"""Stage: turns the raw tables into training and test examples, with what is known at prediction time."""

import json

from pipeline import config, outputs, params, recipes, schema, split, stage, tables
from pipeline.paths import COUNTS, DATASET, PROCESSED, RAW, TEST_TABLE, TRAIN_TABLE


def main() -> None:
    settings = params.load()
    data = settings.data
    recipe = recipes.named(data.recipe)
    options = config.parse(recipe.Options, data.options, prefix="data")
    with stage.step("read the raw tables"):
        raw = {name: tables.read(RAW / f"{name}.parquet") for name in data.tables}
    with stage.step(f"make examples by {data.recipe}"):
        examples = recipe.examples(raw, data, options)
    with stage.step("check and split the examples"):
        frame = schema.single_precision(examples.frame, data.columns)
        faulty = schema.check(frame, data.columns, "of examples", settings.preprocess.invalid_rows_allowed)
        train, test = split.split(frame, data.split, data.target.name)
    if faulty:
        stage.warn(f"{faulty} examples break their declaration (preprocess.invalid_rows_allowed lets them pass)")
    with stage.step(f"write {PROCESSED}"), outputs.replaced_folder(PROCESSED) as folder:
        tables.write(train, folder / TRAIN_TABLE.name)
        tables.write(test, folder / TEST_TABLE.name)
        counts = {"train": len(train), "test": len(test), "left_out": dict(examples.left_out)}
        (folder / DATASET.name).write_text(config.dump(data.dataset()), encoding="utf-8")
        (folder / COUNTS.name).write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    stage.run(main)
