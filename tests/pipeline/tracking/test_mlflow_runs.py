"""A run is in MLflow with all that it came from, its model loads back, and a dead server costs seconds and a warning."""

import os
import subprocess
import time
from pathlib import Path

import mlflow
import numpy as np
import onnxruntime
import pytest

from conftest import COLUMNS
from pipeline.config.params_file import read_params
from pipeline.data import model_inputs
from pipeline.files.digests import sha256
from pipeline.modeling import artifact, onnx_export
from pipeline.stages import evaluate
from pipeline.tracking import mlflow_runs
from pipeline.versioning import dvc_lock

LOCK = """
schema: '2.0'
stages:
  ingest:
    cmd: python -m pipeline.stages.ingest
    outs:
    - path: data/raw
      hash: md5
      md5: 0123456789abcdef0123456789abcdef.dir
  check:
    cmd: 'true'
"""
SETTINGS = {
    "data": {
        "name": "things",
        "recipe": "table",
        "source": {"path": "things.csv"},
        "tables": {"table": {"file": "things.csv", "columns": {"size": {"kind": "number"}}}},
        "target": {"name": "good", "description": "x" * 900},
        "columns": {"size": {"kind": "number"}},
        "split": {"by": "random", "test_share": 0.25, "seed": 1},
    },
    "model": {"name": "logistic", "_target_": "sklearn.linear_model.LogisticRegression", "encoding": "one_hot", "C": 1.0},
    "ingest": {"invalid_rows_allowed": 0},
    "preprocess": {"invalid_rows_allowed": 0},
    "train": {"seed": 1, "folds": 3, "threshold": "f1"},
    "evaluate": {
        "seed": 1, "resamples": 20, "confidence": 0.9, "calibration_bins": 5, "smallest_slice": 1,
        "importance_rows": 100, "reasons_rows": 50,
    },
}  # fmt: skip
METADATA = {
    "versions": dict.fromkeys(("onnx", "onnxruntime", "numpy"), "1.0"),
    "data": {"train": "a" * 64, "test": "b" * 64},
}


def git(folder, *words):
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def environment(patch, **values):
    """Sets what is given and removes the rest of what a run looks at, all of it undone by the patch."""
    ours = (*mlflow_runs.RETRIES, *mlflow_runs.QUIET)
    for name in ("MLFLOW_TRACKING_URI", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV", "DVC_STAGE", *ours):
        patch.setenv(name, "")
        patch.delenv(name)
    for name, value in values.items():
        patch.setenv(name, value)


@pytest.fixture(scope="module")
def patch():
    with pytest.MonkeyPatch.context() as context:
        yield context


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """The copy of a repository in which DVC runs an experiment, with a commit and a lock."""
    folder = tmp_path_factory.mktemp("repository") / ".dvc" / "tmp" / "exps" / "x"
    folder.mkdir(parents=True)
    (folder / "dvc.lock").write_text(LOCK)
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "Lock")
    return folder


@pytest.fixture(scope="module")
def place(experiment, fitted):
    """The experiment's folder with a model and its results."""
    artifact.write(experiment / "data/model", onnx_export.to_graph(fitted("logistic").model, COLUMNS), {}, {})
    (experiment / "data/report").mkdir()
    (experiment / "data/report/report.html").write_text("<!doctype html>")
    (experiment / "data/report/validation.json").write_text("{}")
    (experiment / "data/report/intervals.json").write_text('{"roc_auc": {"value": 0.75}}')
    git(experiment, "add", ".")
    git(experiment, "commit", "--quiet", "-m", "Results")
    return experiment


@pytest.fixture(scope="module")
def graph(place):
    return place / "data/model/model.onnx"


@pytest.fixture(scope="module")
def run(place, patch):
    """A run that was logged from inside an experiment, with no server named."""
    environment(patch, DVC_EXP_NAME="calm-duck", DVC_STAGE="evaluate")
    patch.chdir(place)
    before = mlflow.get_tracking_uri()
    identity = mlflow_runs.log_results(read_params(SETTINGS), METADATA)
    yield mlflow.get_run(identity)
    mlflow.set_tracking_uri(before)


def test_the_store_of_an_experiment_is_that_of_the_repository(run, experiment):
    root = experiment.parents[3]

    assert mlflow.get_tracking_uri() == f"sqlite:///{root / 'mlflow.db'}"
    assert (root / "mlflow.db").is_file()
    assert run.info.artifact_uri.startswith((root / "mlruns").as_uri())
    assert git(experiment, "status", "--porcelain") == ""


def test_parameters_are_logged_as_text_of_bearable_length(run):
    assert run.data.params["model.name"] == "logistic"
    assert run.data.params["data.target.description"] == "x" * 500


def test_metrics_are_logged(run):
    assert run.data.metrics == {"roc_auc": 0.75}


def test_the_run_says_what_it_came_from(run, experiment):
    assert run.data.tags["git_commit"] == git(experiment, "rev-parse", "HEAD")
    assert run.data.tags["git_changed"] == "false"
    assert run.data.tags["dvc.data/raw"] == "0123456789abcdef0123456789abcdef.dir"
    assert run.data.tags["DVC_EXP_NAME"] == "calm-duck"
    assert run.data.tags["DVC_STAGE"] == "evaluate"
    assert "DVC_EXP_BASELINE_REV" not in run.data.tags


def test_the_run_is_found_by_its_model(run, graph):
    found = mlflow.search_runs(
        [run.info.experiment_id],
        f"tags.`{mlflow_runs.MODEL_TAG}` = '{sha256(graph.parent / 'metadata.json')}'",
        output_format="list",
    )

    assert run.info.run_id in {one.info.run_id for one in found}


def test_a_finished_run_is_named_after_its_model_and_its_experiment_after_the_data_set(run):
    experiment = mlflow.get_experiment(run.info.experiment_id)

    assert (run.info.status, run.info.run_name, experiment.name) == ("FINISHED", "logistic calm-duck", "things")


def test_the_page_of_the_experiment_opens_on_the_scores_and_says_where_they_are(run):
    tags = mlflow.get_experiment(run.info.experiment_id).tags

    assert tags["mlflow.experimentKind"] == "custom_model_development"
    assert "**Model training**" in tags["mlflow.note.content"]


def test_the_data_set_is_an_input_of_the_run_with_its_digests(run):
    inputs = [(one.dataset.name, one.dataset.digest, one.tags[0].value) for one in run.inputs.dataset_inputs]

    assert sorted(inputs) == [("things", "a" * 36, "train"), ("things", "b" * 36, "test")]


def test_a_run_outside_of_experiments_is_named_after_its_commit(run, place, monkeypatch):
    monkeypatch.delenv("DVC_EXP_NAME")

    again = mlflow.get_run(mlflow_runs.log_results(read_params(SETTINGS), METADATA))

    assert again.info.run_name == f"logistic {git(place, 'rev-parse', 'HEAD')[:9]}"
    assert again.info.experiment_id == run.info.experiment_id


def test_an_experiment_that_was_deleted_is_a_sentence_that_brings_it_back(run, place, monkeypatch):
    client = mlflow.MlflowClient()
    client.delete_experiment(run.info.experiment_id)

    with pytest.raises(mlflow_runs.ExperimentDeleted, match=rf"mlflow experiments restore -x {run.info.experiment_id}`\.$"):
        mlflow_runs.log_results(read_params(SETTINGS), METADATA)

    client.restore_experiment(run.info.experiment_id)


def test_the_report_and_the_model_directory_are_artifacts(run):
    client = mlflow.MlflowClient()

    assert [file.path for file in client.list_artifacts(run.info.run_id, "report")] == ["report/report.html"]
    assert sorted(file.path for file in client.list_artifacts(run.info.run_id, "model_directory")) == [
        "model_directory/metadata.json",
        "model_directory/model.onnx",
        "model_directory/schema.json",
    ]


def test_the_logged_model_loads_and_gives_the_same_probability(run, graph, rows):
    arrays = model_inputs.to_arrays(model_inputs.pack(rows, COLUMNS), COLUMNS)
    loaded = mlflow.onnx.load_model(f"runs:/{run.info.run_id}/model")
    session = onnxruntime.InferenceSession(loaded.SerializeToString(), providers=["CPUExecutionProvider"])

    assert session.run(["probability"], arrays)[0].tolist() == pytest.approx(
        artifact.probability(artifact.session(graph), arrays).tolist(), abs=1e-12
    )


def test_the_signature_has_the_inputs_and_the_output_of_the_graph(run):
    signature = mlflow.models.get_model_info(f"runs:/{run.info.run_id}/model").signature

    assert [(one.name, one.type, one.shape) for one in signature.inputs] == [
        ("numbers", np.dtype("float32"), (-1, 2)),
        ("categories", np.dtype("str"), (-1, 1)),
        ("datetimes", np.dtype("float64"), (-1, 1)),
    ]
    assert [(one.name, one.type, one.shape) for one in signature.outputs] == [("probability", np.dtype("float64"), (-1,))]


def test_a_changed_repository_is_told(experiment, monkeypatch):
    monkeypatch.chdir(experiment)
    (experiment / "new").write_text("")
    told = mlflow_runs.tags()["git_changed"]
    (experiment / "new").unlink()

    assert told == "true"


def test_without_git_and_lock_there_are_tags_all_the_same(tmp_path, monkeypatch):
    environment(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    assert mlflow_runs.tags() == {"git_commit": "", "git_changed": "false"}


@pytest.mark.parametrize("text", ["", "schema: '2.0'\n", "schema: '2.0'\nstages: {}\n"])
def test_a_lock_without_stages_has_no_hashes(tmp_path, text):
    (tmp_path / "dvc.lock").write_text(text)

    assert dvc_lock.read(tmp_path / "dvc.lock").outputs() == {}


def test_the_repository_is_the_working_folder_outside_of_experiments(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert mlflow_runs.repository() == Path.cwd() == tmp_path


def test_scores_have_one_name_each_and_undefined_ends_none(tmp_path):
    intervals, validation = tmp_path / "intervals.json", tmp_path / "validation.json"
    intervals.write_text(
        '{"roc_auc": {"value": 0.7, "low": 0.6, "high": null}, "f1": {"value": 0.5, "low": 0.4, "high": 0.6}}'
    )
    validation.write_text('{"roc_auc": 0.8}')

    assert mlflow_runs.read_metrics(intervals, validation) == {
        "validation_roc_auc": 0.8, "roc_auc": 0.7, "roc_auc_low": 0.6, "f1": 0.5, "f1_low": 0.4, "f1_high": 0.6,
    }  # fmt: skip


def test_parameters_have_their_full_keys_and_leave_out_the_columns(values):
    values["data"]["horizon_hours"] = 2
    found = mlflow_runs.parameters(read_params(values))

    assert found["model.C"] == 1.0
    assert found["data.split.test_share"] == 0.25
    assert found["data.horizon_hours"] == 2
    assert not [key for key in found if key.startswith(("data.columns", "data.tables"))]


def test_a_dead_server_is_given_up_within_seconds(tmp_path, monkeypatch):
    environment(monkeypatch, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)
    before, start = mlflow.get_tracking_uri(), time.monotonic()
    try:
        with pytest.raises(Exception, match="127"):
            mlflow_runs.log_results(read_params(SETTINGS), METADATA)
    finally:
        mlflow.set_tracking_uri(before)

    assert time.monotonic() - start < 15


def test_patience_that_the_environment_sets_is_kept(tmp_path, monkeypatch):
    environment(monkeypatch, MLFLOW_TRACKING_URI="http://127.0.0.1:9", MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    monkeypatch.chdir(tmp_path)
    before = mlflow.get_tracking_uri()
    try:
        with pytest.raises(Exception, match="127"):
            mlflow_runs.log_results(read_params(SETTINGS), METADATA)
    finally:
        mlflow.set_tracking_uri(before)

    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"


FIRST_USE = """
import mlflow
from pathlib import Path
from pipeline.tracking import mlflow_runs
store = mlflow_runs.open_store('things')
run = store.create_run(store.get_experiment_by_name('things').experiment_id)
Path("model").mkdir()
Path("model/metadata.json").write_text("{}")
store.log_artifacts(run.info.run_id, "model", "model")
store.create_registered_model("quiet")
store.create_model_version("quiet", f"{run.info.artifact_uri}/model", run.info.run_id)
mlflow.artifacts.download_artifacts("models:/quiet/1", dst_path="there")
assert Path("there/metadata.json").is_file()
Path(mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/model")).joinpath("metadata.json").unlink()
mlflow.artifacts.download_artifacts("models:/quiet/1", dst_path="nothing")
"""


def test_mlflow_draws_no_bars_and_reports_nothing_of_its_own_work(python, tmp_path, monkeypatch):
    for name in mlflow_runs.QUIET:
        monkeypatch.delenv(name, raising=False)
    done = python(f"import os; os.chdir({str(tmp_path)!r})\n{FIRST_USE}", MLFLOW_TRACKING_URI="")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_settings_that_silence_mlflow_are_ones_that_it_knows():
    for name in mlflow_runs.QUIET:
        assert getattr(mlflow.environment_variables, name).name == name


def test_who_wants_to_hear_mlflow_does(python, tmp_path):
    code = f"import os; os.chdir({str(tmp_path)!r}); from pipeline.tracking import mlflow_runs as runs; runs.open_store('x')"

    assert "INFO mlflow" in python(code, MLFLOW_TRACKING_URI="", MLFLOW_LOGGING_LEVEL="info").stderr


@pytest.mark.parametrize("error", [ConnectionError("refused\nmore"), TimeoutError()], ids=["with words", "without words"])
def test_whatever_mlflow_raises_is_a_warning_and_no_failure(error, values, tmp_path, monkeypatch, capsys):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(mlflow_runs.mlflow, "start_run", refuse)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mlflow_runs, "read_metrics", lambda *_: {"roc_auc": 0.7})
    versions = dict.fromkeys(("onnx", "onnxruntime", "numpy"), "1.0")
    evaluate._track({"versions": versions}, read_params(values))

    assert "warning: MLflow did not log this run" in capsys.readouterr().err
