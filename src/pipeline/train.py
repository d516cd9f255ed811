"""Stage: fits, calibrates and exports the model, on the training rows alone."""

import json
from dataclasses import asdict
from importlib import metadata

from pipeline import (
    fitting,
    inputs,
    model_directory,
    onnx_graph,
    outputs,
    params,
    parity,
    schema,
    sources,
    stage,
    tables,
)
from pipeline.paths import COUNTS, DATASET, MODEL, TEST_TABLE, TRAIN_TABLE, VALIDATION

PACKAGES = ("numpy", "onnx", "onnxruntime", "pandas", "scikit-learn", "scipy", "skl2onnx")


def main() -> None:
    settings = params.load()
    with stage.step("read the examples"):
        data = params.load_dataset(DATASET)
        rows = tables.read(TRAIN_TABLE)
        packed = inputs.frame(rows, data.columns)
        truth = rows[data.target.name].to_numpy()
        folds = fitting.folds(rows, data.target.name, data.split, settings.train)
    fitted = fitting.fit(packed, truth, folds, data.columns, settings.model, settings.train, stage.step)
    with stage.step("export the graph and compare it on every row"):
        graph = onnx_graph.to_graph(fitted.model, data.columns)
        scorer = model_directory.session(graph.SerializeToString())
        test = inputs.frame(tables.read(TEST_TABLE), data.columns)
        for part in (packed, test):
            parity.compare(
                fitted.model.probability(part), model_directory.probability(scorer, inputs.arrays(part, data.columns))
            )
    with stage.step(f"write {MODEL}"):
        about = {
            "name": data.name,
            "threshold": fitted.threshold,
            "parameters": {"model": asdict(settings.model), "train": asdict(settings.train)},
            "calibration": {"slope": fitted.model.slope, "intercept": fitted.model.intercept},
            "versions": {package: metadata.version(package) for package in PACKAGES},
            "data": {path.name: sources.sha256(path) for path in (TRAIN_TABLE, TEST_TABLE, DATASET, COUNTS)},
        }
        model_directory.write(MODEL, graph, schema.describe(data, rows), about)
        outputs.write_text(json.dumps(fitted.validation, indent=2) + "\n", VALIDATION)


if __name__ == "__main__":
    stage.run(main)
