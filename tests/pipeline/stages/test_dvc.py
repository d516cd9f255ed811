"""The pipeline under DVC itself, on the penguins: nothing to do the second time, experiments, and a kill in the middle."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import mlflow
import pytest

import terminal
from penguins import QUICK, TREES, environment, run


def test_nothing_runs_a_second_time_and_git_has_nothing_to_say(project):
    again = run(project, "dvc", "repro")

    assert "Running stage" not in again
    assert run(project, "git", "status", "--porcelain") == ""


def test_metrics_fit_a_terminal(project):
    header, *rows = run(project, "dvc", "metrics", "show").splitlines()

    assert len(header) < 160
    assert {row.split()[0] for row in rows} == {"data/report/metrics.json", "data/report/validation.json"}


def test_plots_are_drawn_without_a_network(project):
    run(project, "dvc", "plots", "show", "--out", str(project.parent / "plots"))
    page = (project.parent / "plots/index.html").read_text()

    for curve in ("ROC curve", "Precision and recall", "Calibration", "Importances"):
        assert curve in page
    assert page.count("vegaEmbed('#") == 5
    assert "function vegaEmbed(selector, spec)" in page
    assert not re.search(r"<script[^>]*\ssrc=|<link|@import|fetch\(", page)


@pytest.mark.parametrize(
    ("module", "words", "steps"),
    [
        ("diff", ["HEAD", "--output", "../change.md"], [r"read \w{9} and the working tree", "ask DVC what is reproduced"]),
        ("registry.promote", [], ["look at data/model and its commit", "look at the registry", r"fetch version \d"]),
    ],
)
def test_a_terminal_shows_our_own_lines_alone(project, module, words, steps):
    shown = terminal.lines([sys.executable, "-m", f"pipeline.{module}", *words], project, environment(project))

    timed = [re.fullmatch(r"  (\S.*?) +\d+\.\d s", line) for line in shown if not line.endswith(".")]  # a sentence does
    assert all(timed), "\n".join(shown)
    assert re.fullmatch("\n".join(steps), "\n".join(step[1] for step in timed))


def test_a_data_set_of_a_path_and_a_target_runs_as_an_experiment_that_is_logged_under_its_name(project):
    declared = "source: {path: tests/pipeline/penguins.csv}\ntarget: {name: sex, positive: female}\n"
    (project / "conf/data/mine.yaml").write_text(declared)
    run(project, "git", "add", "conf")

    run(project, "dvc", "exp", "run", "--name", "my-table", "-S", "data=mine", "-S", "model=logistic")

    client = mlflow.MlflowClient(f"sqlite:///{project.parent / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'penguins'")
    (logged,) = client.search_runs([experiment.experiment_id], filter_string="tags.DVC_EXP_NAME = 'my-table'")
    assert logged.data.params["model.name"] == "logistic"
    assert logged.data.tags["git_commit"] == run(project, "git", "rev-parse", "HEAD").strip()
    assert logged.data.tags["dvc.data/model"].endswith(".dir")
    assert "Running stage" not in run(project, "dvc", "repro")
    assert "penguins" in (project / "data/report/model_card.md").read_text()
    run(project, "git", "reset", "--hard", "--quiet")
    run(project, "git", "clean", "--force", "--quiet", "conf")
    run(project, "dvc", "checkout")


def test_git_holds_metrics_and_plot_tables_and_dvc_the_rest(project):
    tracked = set(run(project, "git", "ls-files", "data").split())

    assert {
        f"data/report/{name}"
        for name in ("metrics.json", "intervals.json", "validation.json", "model_card.md", "plots/roc.csv")
    } <= tracked
    assert not [name for name in tracked if name.startswith(("data/raw", "data/processed", "data/model"))]
    assert "data/report/report.html" not in tracked


def test_a_stage_killed_in_the_middle_leaves_outputs_that_checkout_brings_back_and_repro_finishes(project):
    model = project / "data/model/model.onnx"
    before = model.read_bytes()
    params = project / "params.yaml"
    was = params.read_text()
    params.write_text(was.replace(f"max_iter: {TREES}", "max_iter: 4000"))
    running = subprocess.Popen(
        ["dvc", "repro"], cwd=project, env=environment(project), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    for line in running.stderr:
        if "read the examples" in line:
            break
    time.sleep(0.3)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()

    assert not model.exists()  # DVC removes what it is about to make again
    run(project, "dvc", "checkout")
    assert model.read_bytes() == before

    params.write_text(was.replace(f"max_iter: {TREES}", "max_iter: 5"))
    assert "Running stage 'train'" in run(project, "dvc", "repro", "train")
    assert model.read_bytes() != before
    assert json.loads((project / "data/model/metadata.json").read_text())["parameters"]["model"]["max_iter"] == 5
    run(project, "git", "checkout", "--quiet", ".")
    run(project, "dvc", "checkout")


@pytest.mark.long("experiments that DVC alone queues; make test has those of a sweep")
def test_queued_experiments_run_the_code_and_settings_they_were_queued_with(project):
    quick = [word for override in QUICK for word in ("-S", override)]
    run(
        project,
        "dvc",
        "exp",
        "run",
        "--queue",
        *quick,
        "-S",
        "model=logistic",
        "-S",
        "model.C=choice(0.1,10.0)",
    )
    run(project, "dvc", "queue", "start")
    for _ in range(600):
        status = run(project, "dvc", "queue", "status")
        if "Queued" not in status and "Running" not in status:
            break
        time.sleep(0.5)

    assert status.count("Success") == 2, status
    assert run(project, "git", "status", "--porcelain") == ""
