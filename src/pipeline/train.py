"""Stage: fits, calibrates and exports the model, on the training rows alone."""

import json
from dataclasses import asdict
from importlib import metadata
from typing import Any

import onnx
import pandas as pd

from pipeline import digests, fitting, inputs, model_directory, onnx_graph, outputs, params, parity, schema, stage, tables
from pipeline.config import Columns, Dataset, Params
from pipeline.fitting import Fitted
from pipeline.paths import COUNTS, DATASET, MODEL, TEST_TABLE, TRAIN_TABLE, VALIDATION

PACKAGES = ("numpy", "onnx", "onnxruntime", "pandas", "scikit-learn", "scipy", "skl2onnx")


def main() -> None:
    settings = params.load()
    with stage.step("read the examples"):
        data = params.load_dataset(DATASET)
        rows = tables.read(TRAIN_TABLE)
        packed = inputs.frame(rows, data.columns)
        folds = fitting.folds(rows, data.target.name, data.split, settings.train)
    truth = rows[data.target.name].to_numpy()
    fitted = fitting.fit(packed, truth, folds, data.columns, settings.model, settings.train, stage.step)
    with stage.step("export the graph"):
        graph = onnx_graph.to_graph(fitted.model, data.columns)
    with stage.step("compare it with the estimator on every row"):
        for table in (rows, tables.read(TEST_TABLE)):
            _compare(fitted, graph, table, data.columns)
    with stage.step(f"write {MODEL}"):
        model_directory.write(MODEL, graph, _schema(data, rows, fitted), _about(data, fitted, settings))
        outputs.write_text(json.dumps(fitted.validation, indent=2) + "\n", VALIDATION)


def _compare(fitted: Fitted, graph: onnx.ModelProto, table: pd.DataFrame, columns: Columns) -> None:
    packed = inputs.frame(table, columns)
    scorer = model_directory.session(graph.SerializeToString())
    exported = model_directory.probability(scorer, inputs.arrays(packed, columns))
    parity.compare(fitted.model.probability(packed), exported)


def _schema(data: Dataset, rows: pd.DataFrame, fitted: Fitted) -> dict[str, Any]:
    """What the columns held, and the probabilities of rows unseen by their model: what drift is measured against."""
    return {**schema.describe(data, rows), "probability": {"reference": schema.reference(pd.Series(fitted.unseen))}}


def _about(data: Dataset, fitted: Fitted, settings: Params) -> dict[str, Any]:
    """What the model was made with and from; no clock, no commit, no machine: the same inputs give the same bytes."""
    return {
        "name": data.name,
        "question": data.options,
        "threshold": fitted.threshold,
        "metrics": dict(fitted.validation),  # on training rows that the model of their fold had not seen
        "calibration": {"slope": fitted.model.slope, "intercept": fitted.model.intercept},
        "parameters": {"model": asdict(settings.model), "train": asdict(settings.train)},
        "versions": {package: metadata.version(package) for package in PACKAGES},
        "data": {path.name: digests.sha256(path) for path in (TRAIN_TABLE, TEST_TABLE, DATASET, COUNTS)},
    }


if __name__ == "__main__":
    stage.run(main)
