"""Logs runs to MLflow; a stage warns where MLflow cannot be reached, and never fails by it."""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import onnx
from mlflow import MlflowClient
from mlflow.data import meta_dataset
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.entities import LifecycleStage, Run
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

from pipeline.config.flatten import leaves
from pipeline.config.paths import INTERVALS, LOCK, MODEL, PAGE, TEST_TABLE, TRAIN_TABLE, VALIDATION
from pipeline.config.settings import Params
from pipeline.files.digests import sha256
from pipeline.modeling import artifact
from pipeline.support.errors import OntimeError, without_password
from pipeline.versioning import dvc_lock, git

# One retry within seconds where the tracking server is down; MLflow's default tries for minutes.
RETRIES = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
# MLflow's progress bars would mix with the progress line of a step, and its log messages tell a person nothing.
QUIET = {
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
ONNX_TYPES = {onnx.TensorProto.FLOAT: np.float32, onnx.TensorProto.DOUBLE: np.float64, onnx.TensorProto.STRING: np.str_}
MOST_PARAMETER_CHARACTERS = 500
MOST_RUNS = 10_000  # of the experiments of one commit
MODEL_FOLDER = "model_directory"  # among a run's artifacts
MODEL_TAG = "sha256.metadata.json"  # identifies the run of a model directory
DIGEST_CHARACTERS = 36  # the most that MLflow takes of a data set's digest
# MLflow's page opens with a view for language models, where these runs show no scores; the tag chooses the other view.
VIEW = {
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.note.content": "Choose **Model training** at the left, then **Runs**: a run for each model of this data set.",
}


class ExperimentDeleted(OntimeError):
    """The MLflow experiment of the data set was deleted."""


def connect() -> str:
    """Sets MLflow to ``MLFLOW_TRACKING_URI``, or to ``mlflow.db`` in the repository, and returns that URI."""
    for name, value in (RETRIES | QUIET).items():
        os.environ.setdefault(name, value)
    logging.getLogger("mlflow").setLevel(
        os.environ["MLFLOW_LOGGING_LEVEL"].upper()
    )  # MLflow reads the variable on import only
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{repository() / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    return uri


def open_store(experiment: str) -> MlflowClient:
    """A client of the tracking store, with the experiment created. Raises MLflow's errors and ExperimentDeleted.

    Call it before runs start in parallel: two that create the experiment at once fail.
    """
    uri, client = connect(), MlflowClient()
    existing = client.get_experiment_by_name(experiment)
    if existing is None:
        location = (repository() / "mlruns").as_uri() if uri.startswith("sqlite") else None
        client.create_experiment(experiment, artifact_location=location, tags=VIEW)
    elif existing.lifecycle_stage == LifecycleStage.DELETED:
        raise ExperimentDeleted(
            f"MLflow should have the experiment {experiment}; it was deleted. "
            f"Type `MLFLOW_TRACKING_URI={without_password(uri)} mlflow experiments restore -x {existing.experiment_id}`."
        )
    return client


def log_results(settings: Params, metadata: Mapping[str, Any]) -> str:
    """Logs the model and the results in data/ as a run and returns its id. Raises MLflow's errors and ExperimentDeleted.

    The experiment is named after the data set, the run after the model and the DVC experiment or the commit.
    """
    open_store(settings.data.name)
    mlflow.set_experiment(settings.data.name)
    lineage = tags() | {MODEL_TAG: sha256(MODEL / artifact.METADATA)}
    name = f"{settings.model.name} {lineage.get('DVC_EXP_NAME') or lineage['git_commit'][:9]}".strip()
    with mlflow.start_run(run_name=name, tags=lineage) as run:
        values = parameters(settings).items()
        mlflow.log_params({key: str(value)[:MOST_PARAMETER_CHARACTERS] for key, value in values})
        mlflow.log_metrics(read_metrics(INTERVALS, VALIDATION))
        for table in (TRAIN_TABLE, TEST_TABLE):
            source = CodeDatasetSource({"path": table.as_posix()})
            digest = metadata["data"][table.name][:DIGEST_CHARACTERS]
            dataset = meta_dataset.MetaDataset(source, settings.data.name, digest)  # type: ignore[abstract]  # MLflow makes them so
            mlflow.log_input(dataset, context=table.stem)
        mlflow.log_artifact(str(PAGE), artifact_path="report")
        mlflow.log_artifacts(str(MODEL), artifact_path=MODEL_FOLDER)
        graph = onnx.load(MODEL / artifact.GRAPH)
        requirements = [f"{package}=={metadata['versions'][package]}" for package in ("onnx", "onnxruntime", "numpy")]
        mlflow.onnx.log_model(graph, name="model", signature=signature(graph), pip_requirements=requirements)
        return str(run.info.run_id)


def find_runs(query: str) -> list[Run]:
    """The finished runs of all experiments that match a query, the newest first. Raises MLflow's errors."""
    client = MlflowClient()
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(client.search_runs(experiments, f"{query} and attributes.status = 'FINISHED'", max_results=MOST_RUNS))


def runs_by_experiment(baseline: str) -> dict[str, str]:
    """The id of the latest finished run of each DVC experiment that starts from this commit, by the experiment's name.

    Raises MLflow's errors.
    """
    connect()
    runs = find_runs(f"tags.DVC_EXP_BASELINE_REV = '{baseline}'")
    return {run.data.tags["DVC_EXP_NAME"]: run.info.run_id for run in reversed(runs) if "DVC_EXP_NAME" in run.data.tags}


def read_metrics(intervals: Path, validation: Path) -> dict[str, float]:
    """The metrics in both files under flat names: ``roc_auc``, ``roc_auc_low``, ``validation_roc_auc``."""
    values = {f"validation_{name}": value for name, value in json.loads(validation.read_text(encoding="utf-8")).items()}
    for name, interval in json.loads(intervals.read_text(encoding="utf-8")).items():
        values |= {
            name if end == "value" else f"{name}_{end}": value for end, value in interval.items() if value is not None
        }
    return values


def parameters(settings: Params) -> dict[str, Any]:
    """The settings that a scientist tunes, by full key, without the columns and tables of the data set."""
    values = {**asdict(settings), "model": settings.model.as_declared()}
    data = values.pop("data")
    options = data.pop("options")
    values["data"] = {**{name: data[name] for name in ("name", "split", "target")}, **options}
    return dict(leaves(values))


def tags() -> dict[str, str]:
    """The lineage of a run: git commit, the data hashes in dvc.lock, and DVC's name of the experiment."""
    result = {
        "git_commit": git.output("rev-parse", "HEAD") or "",
        "git_changed": str(bool(git.output("status", "--porcelain"))).lower(),
    }
    for name in ("DVC_EXP_NAME", "DVC_EXP_BASELINE_REV", "DVC_STAGE"):
        if name in os.environ:
            result[name] = os.environ[name]
    running = os.environ.get("DVC_STAGE", "")
    if LOCK.is_file() and not running:  # while a stage runs, the file does not hold its outputs yet
        result["dvc_lock"] = sha256(LOCK)
    return result | {f"dvc.{path}": md5 for path, md5 in dvc_lock.read().outputs(running).items()}


def repository() -> Path:
    """The root of the repository, also from inside DVC's temporary copy for an experiment."""
    current = Path.cwd()
    return next((folder.parent for folder in current.parents if folder.name == ".dvc"), current)


def signature(model: onnx.ModelProto) -> ModelSignature:
    """The graph's inputs and outputs as an MLflow signature."""
    return ModelSignature(inputs=_specs(model.graph.input), outputs=_specs(model.graph.output))


def _specs(values: Any) -> Schema:
    return Schema([TensorSpec(np.dtype(ONNX_TYPES[v.type.tensor_type.elem_type]), _shape(v), v.name) for v in values])


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(dim.dim_value or -1 for dim in value.type.tensor_type.shape.dim)
