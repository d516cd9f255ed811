"""Logs a run to MLflow: it watches what DVC decided, and its absence costs a warning, never the run."""

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
import yaml
from mlflow import MlflowClient
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

from pipeline.config.flatten import leaves
from pipeline.config.paths import LOCK, METRICS, MODEL, PAGE, VALIDATION
from pipeline.config.settings import Params
from pipeline.files.digests import sha256
from pipeline.modeling import artifact
from pipeline.versioning import git

EXPERIMENT = "ontime"
# A tracking server that is down is asked twice within seconds; MLflow by itself would try for minutes.
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
# Its bars would run through the moving line of a step, and what it reports of its own work is no news to a person.
SILENCE = {
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
ONNX_TYPES = {onnx.TensorProto.FLOAT: np.float32, onnx.TensorProto.DOUBLE: np.float64, onnx.TensorProto.STRING: np.str_}
MOST_PARAMETER_CHARACTERS = 500
MOST_RUNS = 10_000  # of the experiments of one commit
MODEL_FOLDER = "model_directory"  # of a run's artefacts
MODEL_TAG = "sha256.metadata.json"  # by which the run of a model directory is found again


def connect() -> str:
    """Sets MLflow to ``MLFLOW_TRACKING_URI``, or to ``mlflow.db`` in the repository, and gives that address."""
    for name, value in (PATIENCE | SILENCE).items():
        os.environ.setdefault(name, value)
    logging.getLogger("mlflow").setLevel(os.environ["MLFLOW_LOGGING_LEVEL"].upper())  # MLflow looks on import alone
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{repository() / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    return uri


def store() -> MlflowClient:
    """The store of the runs, its experiment ready: two runs that make it at once would fail. Raises what MLflow raises."""
    uri, found = connect(), MlflowClient()
    if found.get_experiment_by_name(EXPERIMENT) is None:
        place = (repository() / "mlruns").as_uri() if uri.startswith("sqlite") else None
        found.create_experiment(EXPERIMENT, artifact_location=place)
    return found


def log_results(settings: Params, metadata: Mapping[str, Any]) -> str:
    """Logs what stands in data/ as one run and gives its id; raises whatever MLflow raises."""
    requirements = [f"{package}=={metadata['versions'][package]}" for package in ("onnx", "onnxruntime", "numpy")]
    files = {"report": PAGE, MODEL_FOLDER: MODEL}
    return log(parameters(settings), measured(METRICS, VALIDATION), MODEL / artifact.GRAPH, files, requirements)


def of_experiments(baseline: str) -> dict[str, str]:
    """The id of the latest finished run of each DVC experiment that starts from this commit, by the experiment's name.

    Raises whatever MLflow raises.
    """
    found = store()
    query = f"tags.DVC_EXP_BASELINE_REV = '{baseline}' and attributes.status = 'FINISHED'"
    experiments = [
        experiment.experiment_id for experiment in found.search_experiments(filter_string=f"name = '{EXPERIMENT}'")
    ]
    runs = found.search_runs(experiments, query, max_results=MOST_RUNS, order_by=["start_time ASC"])
    return {run.data.tags["DVC_EXP_NAME"]: run.info.run_id for run in runs if "DVC_EXP_NAME" in run.data.tags}


def measured(metrics: Path, validation: Path) -> dict[str, float]:
    """The scores in both files by one name each: ``roc_auc``, ``roc_auc_low``, ``validation_roc_auc``."""
    found = {f"validation_{name}": value for name, value in json.loads(validation.read_text(encoding="utf-8")).items()}
    for name, interval in json.loads(metrics.read_text(encoding="utf-8")).items():
        found |= {name if end == "value" else f"{name}_{end}": value for end, value in interval.items() if value is not None}
    return found


def log(
    parameters: Mapping[str, Any],
    metrics: Mapping[str, float],
    graph: Path,
    files: Mapping[str, Path],
    requirements: list[str],
) -> str:
    """Logs one run and gives its id; raises whatever MLflow raises. An experiment that DVC runs elsewhere logs here too."""
    store()
    mlflow.set_experiment(EXPERIMENT)
    of_model = {MODEL_TAG: sha256(graph.parent / artifact.METADATA)}
    with mlflow.start_run(run_name=os.environ.get("DVC_EXP_NAME"), tags=tags() | of_model) as run:
        mlflow.log_params({key: str(value)[:MOST_PARAMETER_CHARACTERS] for key, value in parameters.items()})
        mlflow.log_metrics(dict(metrics))
        for folder, path in files.items():
            log_one = mlflow.log_artifacts if path.is_dir() else mlflow.log_artifact
            log_one(str(path), artifact_path=folder)
        model = onnx.load(graph)
        mlflow.onnx.log_model(model, name="model", signature=signature(model), pip_requirements=requirements)
        return str(run.info.run_id)


def parameters(settings: Params) -> dict[str, Any]:
    """The settings that a scientist turns, by full key; columns and tables are left to the report's schema."""
    whole = {**asdict(settings), "model": settings.model.as_declared()}
    data = whole.pop("data")
    options = data.pop("options")
    whole["data"] = {**{name: data[name] for name in ("name", "split", "target")}, **options}
    return dict(leaves(whole))


def tags() -> dict[str, str]:
    """What the run came from: git commit, the data hashes in dvc.lock, and DVC's name for the experiment."""
    found = {
        "git_commit": git.answer("rev-parse", "HEAD") or "",
        "git_changed": str(bool(git.answer("status", "--porcelain"))).lower(),
    }
    for name in ("DVC_EXP_NAME", "DVC_EXP_BASELINE_REV", "DVC_STAGE"):
        if name in os.environ:
            found[name] = os.environ[name]
    running = os.environ.get("DVC_STAGE", "")
    if LOCK.is_file() and not running:  # DVC writes the running stage into it afterwards: this one is in no commit
        found["dvc_lock"] = sha256(LOCK)
    return {**found, **lock_hashes(LOCK, running)}


def lock_hashes(lock: Path, running: str = "") -> dict[str, str]:
    """The md5 that dvc.lock holds of each output, as ``dvc.<path>``, but for those of the stage that is running."""
    if not lock.is_file():
        return {}
    stages = (yaml.safe_load(lock.read_text(encoding="utf-8")) or {}).get("stages", {})
    return {
        f"dvc.{out['path']}": str(out["md5"])
        for name, stage in stages.items()
        if name != running
        for out in stage.get("outs", [])
    }


def repository() -> Path:
    """The folder of the repository, from inside an experiment's temporary copy too."""
    here = Path.cwd()
    return next((folder.parent for folder in here.parents if folder.name == ".dvc"), here)


def signature(model: onnx.ModelProto) -> ModelSignature:
    """The graph's inputs and outputs as MLflow writes them."""
    return ModelSignature(inputs=_specs(model.graph.input), outputs=_specs(model.graph.output))


def _specs(values: Any) -> Schema:
    return Schema([TensorSpec(np.dtype(ONNX_TYPES[v.type.tensor_type.elem_type]), _shape(v), v.name) for v in values])


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(dim.dim_value or -1 for dim in value.type.tensor_type.shape.dim)
