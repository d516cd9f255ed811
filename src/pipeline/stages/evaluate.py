"""Stage: scores the exported graph on the test rows, writes metrics, plot tables, report and card, and logs the run."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.config.params_file import load_card, load_dataset, load_params
from pipeline.config.paths import (
    CARD,
    CARDS,
    COUNTS,
    DATASET,
    INTERVALS,
    METRICS,
    MODEL,
    PAGE,
    PLOTS,
    TEST_TABLE,
    VALIDATION,
)
from pipeline.config.settings import Columns, Dataset, Evaluate, Params
from pipeline.data import model_inputs, table_io
from pipeline.evaluation import permutation_importance, slice_scores, topic_contributions
from pipeline.evaluation.slice_scores import Evaluation, Slicing
from pipeline.files import atomic_write
from pipeline.modeling import artifact
from pipeline.reporting import html_report, model_card
from pipeline.reporting.rendering import Run
from pipeline.support import console
from pipeline.support.errors import first_line
from pipeline.tracking import mlflow_runs

Floats = npt.NDArray[np.float64]
Arrays = Mapping[str, npt.NDArray[Any]]


def main() -> None:
    settings = load_params()
    with console.step("read the model and score the test rows"):
        data = load_dataset(DATASET)
        metadata, schema = artifact.read_metadata(MODEL), _json(MODEL / artifact.SCHEMA)
        scorer = artifact.session(MODEL / artifact.GRAPH)
        test = table_io.read(TEST_TABLE)
        arrays = model_inputs.to_arrays(model_inputs.pack(test, data.columns), data.columns)
        probability = artifact.probability(scorer, arrays)
    truth = test[data.target.name].to_numpy(np.float64)
    evaluation = _evaluate(test, truth, probability, metadata["threshold"], settings)
    losses = _importances(scorer, arrays, truth, data.columns, settings.evaluate)
    contributions = _contributions(scorer, arrays, schema["columns"], settings.evaluate)
    with console.step("write the metrics and the report"):
        version, counts, validation = artifact.version(MODEL), _json(COUNTS), _json(VALIDATION)
        run = Run(version, metadata, schema, counts, validation, test, evaluation, losses, contributions)
        _write(run, data, settings)
    _track(metadata, settings)


def _evaluate(test: pd.DataFrame, truth: Floats, probability: Floats, threshold: float, settings: Params) -> Evaluation:
    evaluate, by = settings.evaluate, Slicing(settings.data.slices, settings.data.resample_by)
    parts = 1 + len(slice_scores.slice_rows(test, by, evaluate))
    with console.step(f"score {parts} parts {evaluate.resamples} times", parts * evaluate.resamples) as advance:
        return slice_scores.evaluate(test, truth, probability, threshold, by, evaluate, advance)


def _importances(scorer: Any, arrays: Arrays, truth: Floats, columns: Columns, settings: Evaluate) -> pd.DataFrame:
    rows = permutation_importance.sample_rows(truth, settings.importance_rows, settings.seed)
    sample = {name: array[rows] for name, array in arrays.items()}
    predict = partial(artifact.probability, scorer)
    with console.step(f"shuffle {len(columns)} columns in turn", len(columns)) as advance:
        return permutation_importance.auc_losses(predict, sample, truth[rows], columns, settings.seed, advance)


def _contributions(scorer: Any, arrays: Arrays, columns: list[dict[str, Any]], settings: Evaluate) -> pd.DataFrame:
    (rows, *_) = (len(array) for array in arrays.values())
    chosen = np.random.default_rng(settings.seed).permutation(rows)[: settings.reasons_rows]
    sample = {name: array[chosen] for name, array in arrays.items()}
    sets = topic_contributions.count_sets(columns)
    with console.step(f"predict {len(chosen)} rows for {sets} sets of topics", sets) as advance:
        predict = partial(artifact.probability, scorer)
        return topic_contributions.mean_absolute(topic_contributions.contributions(predict, sample, columns, advance))


def _write(run: Run, data: Dataset, settings: Params) -> None:
    evaluation = run.evaluation
    plots = {
        "roc": evaluation.roc,
        "precision_recall": evaluation.precision_recall,
        "calibration": evaluation.calibration,
        "importances": run.importances,
        "contributions": run.contributions,
        "slices": evaluation.slices,
    }
    page = html_report.render(run, data, settings)
    card = model_card.render(run, load_card(CARDS / f"{data.name}.yaml"), data, settings)
    with atomic_write.replaced_folder(PLOTS) as folder:
        for name, table in plots.items():
            table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    point_values = {metric: interval["value"] for metric, interval in evaluation.overall.items()}
    atomic_write.write_text(json.dumps(point_values, indent=2) + "\n", METRICS)
    atomic_write.write_text(json.dumps(evaluation.overall, indent=2) + "\n", INTERVALS)
    atomic_write.write_text(page, PAGE)
    atomic_write.write_text(card, CARD)


def _json(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


def _track(metadata: dict[str, Any], settings: Params) -> None:
    with console.step("log the run to MLflow"):
        try:
            mlflow_runs.log_results(settings, metadata)
        except Exception as error:  # whatever a tracking server or its client raises, the run is complete without it
            console.warn(f"MLflow did not log this run ({first_line(error)}); the results in data/ are complete.")


if __name__ == "__main__":
    console.run(main)
