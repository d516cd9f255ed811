"""Stage: fits, calibrates and exports the model, on the training rows alone."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnx
import pandas as pd

from pipeline.config.params_file import load_card, load_dataset, load_params
from pipeline.config.paths import CARDS, COUNTS, DATASET, MODEL, TEST_TABLE, TRAIN_TABLE, VALIDATION
from pipeline.config.settings import LIGHTGBM, Card, Columns, Dataset, Params
from pipeline.data import model_inputs, schema_json, topics
from pipeline.evaluation import permutation_importance
from pipeline.files import atomic_write, digests
from pipeline.modeling import artifact, classifier, fitting, onnx_export, parity, training_rows
from pipeline.modeling.fitting import FittedModel
from pipeline.modeling.training_rows import TrainingRows
from pipeline.support import console

IMPORTANCE_ROWS = 10_000  # of the training rows, where the importance of columns without a topic is asked for
PACKAGES = ("numpy", "onnx", "onnxruntime", "pandas", "scikit-learn", "scipy", "skl2onnx")


def main() -> None:
    settings = load_params()
    classifier.check(settings.model)
    with console.step("read the examples"):
        data = load_dataset(DATASET)
        card = load_card(CARDS / f"{data.name}.yaml")
        in_parts = settings.model.target == LIGHTGBM
        rows = training_rows.read(TRAIN_TABLE, settings.train.max_rows, settings.train.seed, in_parts)
        truth = rows[data.target.name].to_numpy()
        folds = fitting.assign_folds(rows, data.target.name, data.split, settings.train)
        parts = rows.packed(data.columns)
    fitted = fitting.fit(parts, truth, folds, data.columns, settings.model, settings.train, console.step)
    with console.step("export the graph"):
        graph = onnx_export.to_graph(fitted.model, data.columns)
    for table in (TRAIN_TABLE, TEST_TABLE):
        with console.step(f"compare it with the estimator on every row of {table}"):
            _compare(fitted, graph, table, data.columns)
    columns = topics.assign_topics(data.columns, partial(_rank, graph, rows, truth, data.columns, settings.train.seed))
    data = replace(data, columns=columns)
    with console.step(f"write {MODEL}"):
        artifact.write(MODEL, graph, _schema(data, rows, fitted), _metadata(data, card, fitted, settings, rows))
        atomic_write.write_text(json.dumps(fitted.validation, indent=2) + "\n", VALIDATION)


def _compare(fitted: FittedModel, graph: onnx.ModelProto, table: Path, columns: Columns) -> None:
    scorer = artifact.session(graph.SerializeToString())
    rows = training_rows.read(table, max_rows=None, seed=0, in_parts=True)
    for span, packed in rows.packed(columns):
        exported = artifact.probability(scorer, model_inputs.to_arrays(packed, columns))
        parity.compare(fitted.model.probability(packed), exported, span.start)


def _rank(graph: onnx.ModelProto, rows: TrainingRows, truth: npt.NDArray[Any], columns: Columns, seed: int) -> Sequence[str]:
    """The names of the columns, the most important first, by the permutation importance on a sample of these rows."""
    sample = permutation_importance.sample_rows(truth, IMPORTANCE_ROWS, seed)
    arrays = model_inputs.to_arrays(model_inputs.pack(rows.take(sample), columns), columns)
    predict = partial(artifact.probability, artifact.session(graph.SerializeToString()))
    with console.step(f"shuffle {len(columns)} columns in turn for their topics", len(columns)) as advance:
        losses = permutation_importance.auc_losses(predict, arrays, truth[sample], columns, seed, advance)
    ranked: list[str] = losses["column"].tolist()
    return ranked


def _schema(data: Dataset, rows: TrainingRows, fitted: FittedModel) -> dict[str, Any]:
    """The schema of the columns and of the out-of-fold probabilities, each with its reference distribution for drift."""
    return {
        **schema_json.describe(data, rows),
        "probability": {"reference": schema_json.reference_distribution(pd.Series(fitted.out_of_fold))},
    }


def _metadata(data: Dataset, card: Card, fitted: FittedModel, settings: Params, rows: TrainingRows) -> dict[str, Any]:
    """What the model was made with, from and for; no clock, no commit, no machine: the same inputs give the same bytes."""
    packages = (*PACKAGES, "lightgbm") if settings.model.target == LIGHTGBM else PACKAGES
    return {
        "name": data.name,
        "question": data.options,
        "card": asdict(card),  # so that a service can show what the model is for, from wherever it was loaded
        "threshold": fitted.threshold,
        "metrics": dict(fitted.validation),  # of the out-of-fold predictions of the training rows
        "calibration": {"slope": fitted.model.slope, "intercept": fitted.model.intercept},
        "rows": {"trained": len(rows), "table": rows.table_rows},
        "parameters": {"model": settings.model.as_declared(), "train": asdict(settings.train)},
        "versions": {package: version(package) for package in sorted(packages)},
        "data": {
            **{folder.name: digests.folder_sha256(folder) for folder in (TRAIN_TABLE, TEST_TABLE)},
            **{path.name: digests.sha256(path) for path in (DATASET, COUNTS)},
        },
    }


if __name__ == "__main__":
    console.run(main)
