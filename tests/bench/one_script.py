"""The pipeline as one bare script: reads, makes features, fits, calibrates and scores, all in memory.

No DVC, Hydra or MLflow, no check of the tables, no exported graph. It writes one line of JSON: rows, seconds by step,
ROC AUC.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd

from pipeline.config.params_file import load_params
from pipeline.config.parsing import parse_settings
from pipeline.config.settings import Params
from pipeline.data import model_inputs, schema, sources, split, table_io
from pipeline.evaluation import slice_scores
from pipeline.evaluation.row_labels import RowLabels, Slicing
from pipeline.modeling import fitting
from pipeline.modeling.parts import Parts
from pipeline.recipes import loader

YEAR = timedelta(days=364)  # whole weeks, so that weekdays and rush hours stay what they are
SECONDS: dict[str, float] = {}


@contextmanager
def step(name: str) -> Iterator[None]:
    """Times a step; steps of one name are added up."""
    start = time.perf_counter()
    yield
    SECONDS[name] = SECONDS.get(name, 0.0) + time.perf_counter() - start


def shifted(table: pd.DataFrame, by: timedelta) -> pd.DataFrame:
    """The same rows, later: moments and calendar days move, everything else stays."""
    moved: dict[str, Any] = {name: table[name] + by for name in table.select_dtypes(["datetime", "datetimetz"])}
    if {"year", "month", "day"} <= set(table.columns):
        days = pd.to_datetime(table[["year", "month", "day"]]) + by
        moved |= {part: getattr(days.dt, part).astype("int64") for part in ("year", "month", "day")}
    return table.assign(**moved)


def read(settings: Params, copies: int) -> dict[str, pd.DataFrame]:
    """The raw tables from their source files; those with moments are read ``copies`` times, each a year later."""
    files = sources.locate(settings.data)
    found = {}
    for name, declared in settings.data.tables.items():
        first = table_io.read_source(files[name], declared).to_pandas()
        timed = len(first.select_dtypes(["datetime", "datetimetz"]).columns) > 0
        later = [
            shifted(table_io.read_source(files[name], declared).to_pandas(), copy * YEAR)
            for copy in range(1, copies if timed else 1)
        ]
        found[name] = pd.concat([first, *later], ignore_index=True) if later else first
    return found


def split_alike(settings: Params, copies: int) -> Params:
    """The settings with the split moved so that the same share of rows is trained on, however many copies there are."""
    tested_from = settings.data.split.test_from
    start = tested_from.replace(month=1, day=1)
    moved = replace(settings.data.split, test_from=start + copies * (tested_from - start))
    return replace(settings, data=replace(settings.data, split=moved))


def examples(raw: Mapping[str, pd.DataFrame], settings: Params) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The training and the test examples."""
    data = settings.data
    recipe = loader.load_recipe(data.recipe)
    made, _ = recipe.examples(raw, data, parse_settings(recipe.Options, data.options, prefix="data"))
    return split.split(schema.to_single_precision(made, data.columns), data.split, data.target.name)


def fit(train: pd.DataFrame, settings: Params) -> fitting.FittedModel:
    data = settings.data
    packed, truth = model_inputs.pack(train, data.columns), train[data.target.name].to_numpy()
    folds = fitting.assign_folds(train, data.target.name, data.split, settings.train)
    return fitting.fit(Parts.held(packed), truth, folds, data.columns, settings.model, settings.train, step)


def score(fitted: fitting.FittedModel, test: pd.DataFrame, settings: Params) -> float:
    """The ROC AUC; the other metrics, slices, curves and intervals are made and left."""
    data = settings.data
    probability = fitted.model.probability(model_inputs.pack(test, data.columns))
    by = Slicing(data.slices, data.resample_by, settings.evaluate.smallest_slice)
    labels = RowLabels.from_tables([test], data.target.name, by)
    found = slice_scores.evaluate(labels, probability, fitted.threshold, settings.evaluate)
    return found.overall["roc_auc"]["value"] or 0.0


def main(copies: int) -> None:
    settings = load_params()
    if copies > 1:
        settings = split_alike(settings, copies)
    with step("read"):
        raw = read(settings, copies)
    rows = len(next(iter(raw.values())))
    with step("features"):
        train, test = examples(raw, settings)
    del raw
    fitted = fit(train, settings)
    with step("score"):
        roc_auc = score(fitted, test, settings)
    print(json.dumps({"rows": rows, "seconds": SECONDS, "roc_auc": roc_auc}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=1, help="of the source tables, each a year after the one before")
    main(parser.parse_args().copies)
