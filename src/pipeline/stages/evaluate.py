"""Stage: scores the exported graph on the test rows, writes metrics, plot tables, report and card, and logs the run."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline import compute
from pipeline.compute import Engine
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
from pipeline.config.settings import Columns, Dataset, Evaluate, Params, RandomSplit
from pipeline.data import partitions, table_io
from pipeline.evaluation import permutation_importance, slice_scores, topic_contributions
from pipeline.evaluation.row_labels import RowLabels, Slicing
from pipeline.evaluation.slice_scores import Evaluation
from pipeline.files import atomic_write
from pipeline.modeling import artifact, scoring
from pipeline.reporting import html_report, model_card
from pipeline.reporting.rendering import Run
from pipeline.support import console
from pipeline.support.errors import first_line
from pipeline.tracking import mlflow_runs

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Sample:
    """Some test rows: their packed inputs and their truth."""

    inputs: scoring.Arrays
    truth: npt.NDArray[np.bool_]


def main() -> None:
    settings = load_params()
    with console.step("read the model and the labels of the test rows"):
        data = load_dataset(DATASET)
        metadata, schema = artifact.read_metadata(MODEL), _json(MODEL / artifact.SCHEMA)
        graph = (MODEL / artifact.GRAPH).read_bytes()
        labels, period = _labels(data, settings), _period(data)
    with compute.open_engine() as engine:
        probability, important, explained = _score(graph, data.columns, labels, settings.evaluate, engine)
        evaluation = _evaluate(labels, probability, metadata["threshold"], settings.evaluate, engine)
        losses = _importances(graph, important, data.columns, settings.evaluate, engine)
        contributions = _contributions(graph, explained, schema["columns"])
    with console.step("write the metrics and the report"):
        version, counts, validation = artifact.version(MODEL), _json(COUNTS), _json(VALIDATION)
        run = Run(version, metadata, schema, counts, validation, period, evaluation, losses, contributions)
        _write(run, data, settings)
    _track(metadata, settings)


def _labels(data: Dataset, settings: Params) -> RowLabels:
    by = Slicing(settings.data.slices, settings.data.resample_by, settings.evaluate.smallest_slice)
    return RowLabels.from_tables(_tables([data.target.name, *by.columns(data.columns)]), data.target.name, by)


def _period(data: Dataset) -> tuple[pd.Timestamp, ...]:
    """The first and the last moment of the test rows, where time splits them off."""
    if isinstance(data.split, RandomSplit):
        return ()
    moments = pd.concat(table.agg(["min", "max"]) for table in _tables([data.split.column]))[data.split.column]
    return moments.min(), moments.max()


def _score(
    graph: bytes, columns: Columns, labels: RowLabels, settings: Evaluate, engine: Engine
) -> tuple[Floats, Sample, Sample]:
    """The probability of each test row, and the rows whose importances and whose contributions are worked out."""
    important = permutation_importance.sample_rows(labels.truth, settings.importance_rows, settings.seed)
    explained = topic_contributions.sample_rows(len(labels.truth), settings.reasons_rows, settings.seed)
    files = ((str(file), file.read_bytes()) for file in table_io.files(TEST_TABLE))
    rows, sample = labels.partitions, np.concatenate([important, explained])
    with console.step(f"score {len(labels.truth):,} test rows", len(rows)) as advance:
        probability, inputs = scoring.score_table(graph, columns, files, rows, sample, engine, advance)
    first = {name: array[: len(important)] for name, array in inputs.items()}
    rest = {name: array[len(important) :] for name, array in inputs.items()}
    return probability, Sample(first, labels.truth[important]), Sample(rest, labels.truth[explained])


def _evaluate(labels: RowLabels, probability: Floats, threshold: float, settings: Evaluate, engine: Engine) -> Evaluation:
    with console.step(f"score {labels.parts} parts {settings.resamples} times", labels.parts) as advance:
        return slice_scores.evaluate(labels, probability, threshold, settings, advance, engine)


def _importances(graph: bytes, sample: Sample, columns: Columns, settings: Evaluate, engine: Engine) -> pd.DataFrame:
    predict = partial(scoring.predict, graph)
    with console.step(f"shuffle {len(columns)} columns in turn", len(columns)) as advance:
        return permutation_importance.auc_losses(
            predict, sample.inputs, sample.truth, columns, settings.seed, advance, engine
        )


def _contributions(graph: bytes, sample: Sample, columns: list[dict[str, Any]]) -> pd.DataFrame:
    sets = topic_contributions.count_sets(columns)
    with console.step(f"predict {len(sample.truth)} rows for {sets} sets of topics", sets) as advance:
        predict = partial(scoring.predict, graph)
        table = topic_contributions.contributions(predict, sample.inputs, columns, advance)
        return topic_contributions.mean_absolute(table)


def _tables(columns: Iterable[str]) -> Iterator[pd.DataFrame]:
    """The partitions of the test table, with these columns alone."""
    return (table for _, table in partitions.iterate(TEST_TABLE, list(dict.fromkeys(columns))))


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
