"""The pipeline under DVC itself, on the penguins: nothing to do the second time, experiments, and a kill in the middle."""

import json
import os
import signal
import subprocess
import time

import mlflow
import pytest

import penguins
from penguins import QUICK, run, settings


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A repository with the code of this one, in which the penguins have passed all four stages."""
    return penguins.made(tmp_path_factory.mktemp("project"))


def test_nothing_runs_a_second_time_and_git_has_nothing_to_say(place):
    again = run(place, "dvc", "repro")

    assert "Running stage" not in again
    assert run(place, "git", "status", "--porcelain") == ""


def test_metrics_and_plots_can_be_shown(place):
    shown = json.loads(run(place, "dvc", "metrics", "show", "--json"))
    page = run(place, "dvc", "plots", "show", "--out", str(place.parent / "plots"))

    assert "data/report/metrics.json" in json.dumps(shown)
    assert "index.html" in page
    for curve in ("ROC curve", "Precision and recall", "Calibration", "Importances"):
        assert curve in (place.parent / "plots/index.html").read_text()


def test_git_holds_metrics_and_plot_tables_and_dvc_the_rest(place):
    tracked = set(run(place, "git", "ls-files", "data").split())

    assert {
        f"data/report/{name}" for name in ("metrics.json", "validation.json", "model_card.md", "plots/roc.csv")
    } <= tracked
    assert not [name for name in tracked if name.startswith(("data/raw", "data/processed", "data/model"))]
    assert "data/report/report.html" not in tracked


def test_a_stage_killed_in_the_middle_leaves_outputs_that_checkout_brings_back_and_repro_finishes(place):
    model = place / "data/model/model.onnx"
    before = model.read_bytes()
    params = place / "params.yaml"
    was = params.read_text()
    params.write_text(was.replace("trees: 400", "trees: 4000"))
    running = subprocess.Popen(
        ["dvc", "repro"], cwd=place, env=settings(place), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    for line in running.stderr:
        if "read the examples" in line:
            break
    time.sleep(0.3)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()

    assert not model.exists()  # DVC removes what it is about to make again
    run(place, "dvc", "checkout")
    assert model.read_bytes() == before

    params.write_text(was.replace("trees: 400", "trees: 5"))
    assert "Running stage 'train'" in run(place, "dvc", "repro")
    assert model.read_bytes() != before
    assert json.loads((place / "data/model/about.json").read_text())["parameters"]["model"]["trees"] == 5
    run(place, "git", "checkout", "--quiet", ".")
    run(place, "dvc", "checkout")


def test_an_experiment_composes_conf_runs_and_is_logged_under_its_name(place):
    run(place, "dvc", "exp", "run", "--name", "other-model", "-S", "model=logistic", *[w for o in QUICK for w in ("-S", o)])

    client = mlflow.MlflowClient(f"sqlite:///{place.parent / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'ontime'")
    (logged,) = client.search_runs([experiment.experiment_id], filter_string="tags.DVC_EXP_NAME = 'other-model'")
    assert logged.data.params["model.name"] == "logistic"
    assert logged.data.tags["git_commit"] == run(place, "git", "rev-parse", "HEAD").strip()
    assert logged.data.tags["dvc.data/model"].endswith(".dir")
    run(place, "git", "checkout", "--quiet", ".")
    run(place, "dvc", "checkout")


def test_queued_experiments_run_the_code_and_settings_they_were_queued_with(place):
    quick = [word for override in QUICK for word in ("-S", override)]
    run(
        place,
        "dvc",
        "exp",
        "run",
        "--queue",
        *quick,
        "-S",
        "model=logistic",
        "-S",
        "model.inverse_penalty=choice(0.1,10.0)",
    )
    run(place, "dvc", "queue", "start")
    for _ in range(600):
        status = run(place, "dvc", "queue", "status")
        if "Queued" not in status and "Running" not in status:
            break
        time.sleep(0.5)

    assert status.count("Success") == 2, status
    assert run(place, "git", "status", "--porcelain") == ""
