"""Stage: turns the raw tables into training and test examples, with what is known at prediction time."""

import json
from functools import partial

from pipeline import compute
from pipeline.config.params_file import load_columns, load_params
from pipeline.config.parsing import dump_settings
from pipeline.config.paths import COUNTS, DATASET, INFERRED_COLUMNS, PROCESSED, RAW
from pipeline.data import schema
from pipeline.examples import partition, tasks
from pipeline.examples.writer import ExampleWriter
from pipeline.files import atomic_write
from pipeline.recipes import loader
from pipeline.support import console


def main() -> None:
    settings = load_params()
    data = settings.data if settings.data.columns else settings.data.with_columns(load_columns(INFERRED_COLUMNS))
    dataset = data.dataset(loader.event_tables(data))
    work = tasks.plan(data, RAW)
    names = tasks.names(work, RAW)
    check = schema.TableCheck("of examples", settings.preprocess.invalid_rows_allowed)
    with compute.open_engine() as engine, atomic_write.replaced_folder(PROCESSED) as folder:
        writer = ExampleWriter(folder, data)
        with console.step(f"make examples by {data.recipe}", len(names)) as advance:
            results = engine.map(partial(partition.make, work), tasks.read(work, RAW), advance)
            for name, examples in zip(names, results, strict=True):
                check.add(examples.findings, f"the examples of {tasks.path(work, RAW, name)}" if len(names) > 1 else "")
                writer.add(name, examples)
            invalid_rows = check.finish()
        with console.step("split the examples"):
            counts = writer.finish()
        (folder / DATASET.name).write_text(dump_settings(dataset), encoding="utf-8")
        (folder / COUNTS.name).write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")
    if invalid_rows:
        console.warn(f"{invalid_rows} examples break their declaration (preprocess.invalid_rows_allowed lets them pass)")


if __name__ == "__main__":
    console.run(main)
