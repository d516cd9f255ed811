"""Stage: scores the exported graph on the test rows, writes metrics, plot tables, report and card, and logs the run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline import (
    evaluation,
    importances,
    inputs,
    model_card,
    model_directory,
    outputs,
    params,
    report_page,
    stage,
    tables,
    tracking,
)
from pipeline.config import Columns, Dataset, Evaluate, Params
from pipeline.errors import first_line
from pipeline.evaluation import Evaluation, Slicing
from pipeline.model_card import Run
from pipeline.paths import CARD, CARDS, COUNTS, DATASET, METRICS, MODEL, PAGE, PLOTS, TEST_TABLE, VALIDATION

Floats = npt.NDArray[np.float64]
Arrays = Mapping[str, npt.NDArray[Any]]


def main() -> None:
    settings = params.load()
    with stage.step("read the model and score the test rows"):
        data = params.load_dataset(DATASET)
        about = model_directory.read_about(MODEL)
        scorer = model_directory.session(MODEL / model_directory.GRAPH)
        test = tables.read(TEST_TABLE)
        arrays = inputs.arrays(inputs.frame(test, data.columns), data.columns)
        probability = model_directory.probability(scorer, arrays)
    truth = test[data.target.name].to_numpy(np.float64)
    found = _evaluated(test, truth, probability, about["threshold"], settings)
    losses = _importances(scorer, arrays, truth, data.columns, settings.evaluate)
    with stage.step("write the metrics and the report"):
        run = Run(about, _json(MODEL / model_directory.SCHEMA), _json(COUNTS), _json(VALIDATION), test, found, losses)
        _write(run, data, settings)
    _track(about, settings)


def _evaluated(test: pd.DataFrame, truth: Floats, probability: Floats, threshold: float, settings: Params) -> Evaluation:
    how, by = settings.evaluate, Slicing(settings.data.slices, settings.data.resample_by)
    parts = 1 + len(evaluation.parts(test, by, how))
    with stage.step(f"score {parts} parts {how.resamples} times", parts * how.resamples) as advance:
        return evaluation.evaluate(test, truth, probability, threshold, by, how, advance)


def _importances(scorer: Any, arrays: Arrays, truth: Floats, columns: Columns, how: Evaluate) -> pd.DataFrame:
    rows = np.random.default_rng(how.seed).permutation(len(truth))[: how.importance_rows]
    sample = {name: array[rows] for name, array in arrays.items()}

    def predict(shuffled: Arrays) -> Floats:
        return model_directory.probability(scorer, shuffled)

    with stage.step(f"shuffle {len(columns)} columns in turn", len(columns)) as advance:
        return importances.permuted(predict, sample, truth[rows], columns, how.seed, advance)


def _write(run: Run, data: Dataset, settings: Params) -> None:
    found, losses = run.found, run.losses
    plots = {
        "roc": found.roc,
        "precision_recall": found.precision_recall,
        "calibration": found.calibration,
        "importances": losses,
        "slices": found.slices,
    }
    page = report_page.render(found, losses, run.about, run.counts, data, settings)
    card = model_card.render(run, params.load_card(CARDS / f"{data.name}.yaml"), data, settings)
    with outputs.replaced_folder(PLOTS) as folder:
        for name, table in plots.items():
            table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    outputs.write_text(json.dumps(found.overall, indent=2) + "\n", METRICS)
    outputs.write_text(page, PAGE)
    outputs.write_text(card, CARD)


def _json(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


def _track(about: dict[str, Any], settings: Params) -> None:
    with stage.step("log the run to MLflow"):
        try:
            tracking.log_results(settings, about)
        except Exception as error:  # whatever a tracking server or its client raises, the run is complete without it
            stage.warn(f"MLflow did not take this run ({first_line(error)}); the results in data/ are complete.")


if __name__ == "__main__":
    stage.run(main)
