"""Experiments are read from what DVC shows, ranked by the validation period, and listed with their MLflow runs."""

import json
import math
import re

import pytest

from pipeline.experiments import dvc_queue, listing
from pipeline.tracking import mlflow_runs
from pipeline.versioning import dvc


def shown(rev, values, auc=None, **more):
    """One commit or experiment as `dvc exp show --json` prints it."""
    metrics = {
        "data/report/validation.json": {"data": {"roc_auc": auc, "brier": 1 - auc} if auc else {}},
        "data/report/metrics.json": {"data": {"roc_auc": 0.6}},
    }
    deps = {name: {"hash": f"md5 of {name}"} for name in ("src/a.py", "data/raw", "requirements/pipeline.txt")}
    data = {"params": {"params.yaml": {"data": values}}, "metrics": metrics, "deps": deps}
    return {"rev": rev, "name": None, "data": data, "experiments": None, **more}


def experiment(name, auc=None, state="success", **values):
    return {"revs": [shown(f"{name}-rev", values, auc)], "executor": state and {"state": state, "local": None}, "name": name}


@pytest.fixture
def read(monkeypatch):
    """A function from what DVC shows of a commit to it and its experiments as trials."""

    def read(*experiments, auc=0.65, **values):
        commit = shown("abc", values, auc, experiments=list(experiments) or None)
        monkeypatch.setattr(dvc, "run", lambda *_: json.dumps([shown("workspace", {}), commit]))
        return listing.read()

    return read


@pytest.fixture
def show(read, monkeypatch, capsys):
    """A function that lists experiments, and gives what it printed for a pipe and for a person."""
    monkeypatch.setattr(mlflow_runs, "runs_by_experiment", lambda _: {"calm-duck": "0" * 32})

    def show(*experiments, **values):
        listing.show(*read(*experiments, **values), "roc_auc")
        return capsys.readouterr()

    return show


def names(trials):
    return [trial.name for trial in trials]


def test_a_commit_and_its_experiments_are_read_with_parameters_by_full_key(read):
    committed, (duck,) = read(experiment("calm-duck", 0.7, model={"leaves": 15}), model={"leaves": 31})

    assert (committed.name, committed.rev, committed.state, committed.params) == (
        "committed",
        "abc",
        "committed",
        {"model.leaves": 31},
    )
    assert (duck.name, duck.rev, duck.state, duck.params) == ("calm-duck", "calm-duck-rev", "success", {"model.leaves": 15})
    assert (duck.gain("roc_auc"), duck.test["roc_auc"]) == (0.7, 0.6)
    assert set(duck.code) == {"src/a.py", "requirements/pipeline.txt"}
    assert [(change.key, change.base, change.head) for change in duck.changes] == [("model.leaves", "31", "15")]


@pytest.mark.parametrize("state", ["queued", "running", "failed"])
def test_an_unfinished_experiment_has_no_metrics_of_its_own(read, state):
    """DVC shows those of the commit that it starts from."""
    _, (duck,) = read(experiment("calm-duck", 0.65, state))

    assert (duck.state, duck.gain("roc_auc"), duck.test) == (state, -math.inf, {})


def test_an_experiment_that_ran_without_the_queue_has_succeeded(read):
    assert read(experiment("calm-duck", 0.7, None))[1][0].state == "success"


def test_a_commit_without_experiments_has_none(read):
    assert read()[1] == []


def test_a_commit_from_before_the_metrics_has_no_score(monkeypatch):
    monkeypatch.setattr(dvc, "run", lambda *_: json.dumps([{"rev": "abcdefghij", "data": None, "experiments": None}]))

    committed, _ = listing.read()

    assert (committed.params, committed.gain("roc_auc")) == ({}, -math.inf)


def test_dvc_is_asked_again_while_a_worker_makes_or_removes_the_folder_of_an_experiment(monkeypatch):
    """`dvc exp show` opens that folder; where the worker died meanwhile it fails until the experiment is released."""
    killed, errors = [], ["unexpected error - Empty git repo", "directory '.dvc/tmp/exps/tmp1' does not exist"]

    def run(*words):
        if words[:2] == ("queue", "kill"):
            killed.append(words[2:])
        elif errors:
            raise dvc.DvcFailed(errors.pop(0))
        return json.dumps([{"rev": "abcdefghij", "data": None, "experiments": None}])

    monkeypatch.setattr(dvc, "run", run)
    monkeypatch.setattr(dvc_queue, "workers_died", lambda: bool(errors))  # at the first question, and no more at the second
    monkeypatch.setattr(dvc_queue, "status", lambda: (set(), {"orphan"}, 0))

    assert listing.read()[0].rev == "abcdefghij"
    assert killed == [("orphan",)]

    errors += ["Empty git repo"] * 6
    with pytest.raises(dvc.DvcFailed, match="Empty git repo"):
        listing.read()
    assert len(errors) == 1


def test_the_best_comes_first_and_what_has_no_metric_last(read):
    committed, trials = read(
        experiment("none"),
        experiment("low", 0.6),
        experiment("nan", math.nan),
        experiment("high", 0.8),
        experiment("same", 0.8),
    )

    assert names(listing.ranked(committed, trials, "roc_auc")) == ["high", "same", "committed", "low", "none", "nan"]
    assert names(listing.ranked(committed, trials, "brier")) == ["high", "same", "committed", "low", "none", "nan"]


def test_only_experiments_that_answer_the_committed_question_are_ranked(read):
    asked, other = {"name": "things", "slices": ["month"]}, {"name": "others", "slices": ["month"]}
    same = {"name": "things", "slices": ["day"]}
    committed, trials = read(experiment("other", 0.9, data=other), experiment("same", 0.7, data=same), data=asked)

    assert names(listing.ranked(committed, trials, "roc_auc")) == ["same", "committed"]


def test_the_table_says_what_each_changes_how_good_it_is_and_which_run_is_its_own(show):
    printed = show(
        experiment("calm-duck", 0.7, rate=0.1, leaves=15), experiment("slow-goat", state="queued", rate=0.2), rate=0.1
    )

    best, committed, queued = [line for line in printed.out.splitlines() if re.match("│ [a-z]", line)]
    assert re.fullmatch(r"│ calm-duck +│ leaves=15 +│ +0\.700000 │ +0\.600000 │ 0{32} │", best)
    assert re.fullmatch(r"│ committed +│ +│ +0\.650000 │ +0\.600000 │ +- │", committed)
    assert re.fullmatch(r"│ slow-goat +│ rate=0\.2 +│ +queued │ +nan │ +- │", queued)
    assert "the test period chooses nothing" in printed.err
    assert "Each MLflow run holds the report of its experiment, report/report.html." in " ".join(printed.err.split())


def test_what_failed_is_named_with_its_log_and_what_answers_another_question_is_counted(show):
    data = {"data": {"name": "things"}}
    said = show(experiment("bad", state="failed", **data), experiment("b", 0.9, data={"name": "others"}), **data).err

    assert "warning: bad failed; `dvc queue logs bad` says why." in said
    assert "1 answer another question, or on other rows, and do not compare: `dvc exp show` has them." in said


def test_without_mlflow_the_experiments_are_listed_with_a_warning(show, monkeypatch):
    def away(_):
        raise ConnectionError("no route to the server")

    monkeypatch.setattr(mlflow_runs, "runs_by_experiment", away)
    printed = show(experiment("calm-duck", 0.7))

    assert "calm-duck" in printed.out
    assert "warning: MLflow did not say which runs there are (no route to the server)." in printed.err
