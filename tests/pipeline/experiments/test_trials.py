"""Experiments are read from what DVC prints, ranked by the validation period, and compared key by key."""

import math

import pytest

from pipeline.experiments import trials
from pipeline.experiments.trials import Trial


def trial(name, auc=None, state="success", **params):
    validation = {} if auc is None else {"roc_auc": auc, "brier": 1 - auc}
    return Trial(name, f"{name}-rev", state, params, validation, {})


def shown(rev, values, auc=None, **more):
    """One commit or experiment as `dvc exp show --json` prints it."""
    metrics = {
        "data/report/validation.json": {"data": {"roc_auc": auc}},
        "data/report/metrics.json": {"data": {"roc_auc": {"value": 0.6, "low": 0.5, "high": 0.7}}},
    }
    deps = {name: {"hash": f"md5 of {name}"} for name in ("src/a.py", "data/raw", "requirements/pipeline.txt")}
    data = {"params": {"params.yaml": {"data": values}}, "metrics": metrics, "deps": deps}
    return {"rev": rev, "name": None, "data": data, **more}


def experiment(name, state, values, auc):
    executor = state and {"state": state, "local": {"pid": 1}}
    return {"revs": [shown(f"{name}-rev", values, auc)], "executor": executor, "name": name}


def names(found):
    return [one.name for one in found]


def test_a_commit_and_its_experiments_are_read_with_parameters_by_full_key():
    ran = [experiment("calm-duck", "success", {"model": {"leaves": 15}}, 0.7)]
    printed = [shown("workspace", {}), shown("abc", {"model": {"leaves": 31}}, 0.65, experiments=ran)]

    committed, (found,) = trials.read(printed)

    assert (committed.name, committed.rev, committed.state, committed.params) == (
        "committed",
        "abc",
        "committed",
        {"model.leaves": 31},
    )
    assert (found.name, found.rev, found.state, found.params) == (
        "calm-duck",
        "calm-duck-rev",
        "success",
        {"model.leaves": 15},
    )
    assert (found.score("roc_auc"), found.test_score("roc_auc")) == (0.7, 0.6)


@pytest.mark.parametrize("state", ["queued", "running", "failed"])
def test_an_unfinished_experiment_has_no_metrics_of_its_own(state):
    """DVC shows those of the commit that it starts from."""
    _, (found,) = trials.read([shown("abc", {}, 0.65, experiments=[experiment("calm-duck", state, {}, 0.65)])])

    assert found.state == state
    assert math.isnan(found.score("roc_auc"))
    assert math.isnan(found.test_score("roc_auc"))


def test_an_experiment_that_ran_without_the_queue_has_succeeded():
    _, (found,) = trials.read([shown("abc", {}, experiments=[experiment("calm-duck", None, {}, 0.7)])])

    assert found.state == "success"


def test_a_commit_without_experiments_has_none():
    assert trials.read([shown("workspace", {}), shown("abc", {}, experiments=None)])[1] == []


def test_a_commit_from_before_the_metrics_has_no_score():
    committed, _ = trials.read([{"rev": "abcdefghij", "name": None, "data": None, "experiments": None}])

    assert committed.params == {}
    assert math.isnan(committed.score("roc_auc"))


def test_the_best_comes_first_and_what_has_no_metric_last():
    found = [trial("none"), trial("low", 0.6), trial("nan", math.nan), trial("high", 0.8)]

    assert names(trials.ranked(found, "roc_auc")) == ["high", "low", "none", "nan"]
    assert trials.best(found, "roc_auc").name == "high"


def test_of_an_error_the_lowest_is_the_best():
    found = [trial("none"), trial("low", 0.6), trial("high", 0.8)]  # Brier scores of 0.4 and 0.2

    assert names(trials.ranked(found, "brier")) == ["high", "low", "none"]


def test_the_first_of_equals_is_the_best():
    assert names(trials.ranked([trial("a", 0.7), trial("b", 0.7)], "roc_auc")) == ["a", "b"]
    assert trials.best([trial("a", 0.7), trial("b", 0.7)], "roc_auc").name == "a"


@pytest.mark.parametrize("found", [[], [trial("none")], [trial("nan", math.nan)]], ids=["nothing", "none", "nan"])
def test_without_a_metric_there_is_no_best(found):
    assert trials.best(found, "roc_auc") is None


def test_the_parameters_that_moved_are_those_that_differ_or_are_missing():
    found = [
        trial("a", leaves=15, rate=0.1, seed=1),
        trial("b", leaves=31, rate=0.1, seed=1),
        trial("c", leaves=31, rate=0.1),
    ]

    assert trials.moved(found) == ["leaves", "seed"]
    assert trials.moved(found[:1]) == []


def test_changes_have_both_values_and_name_what_a_side_does_not_have():
    base, head = {"model.name": "hgb", "model.leaves": 31, "seed": 1}, {"model.name": "logistic", "seed": 1, "penalty": 2.0}

    assert trials.changes(base, head) == [
        ("model.name", "hgb", "logistic"),
        ("model.leaves", 31, "nothing"),
        ("penalty", "nothing", 2.0),
    ]


THINGS, OTHERS = {"data.name": "things"}, {"data.name": "others"}


def test_only_experiments_that_answer_the_committed_question_are_its_rivals():
    committed = trial("committed", 0.9, **THINGS, **{"model.leaves": 31, "data.slices[0]": "month"})
    same, other = trial("same", **THINGS, **{"data.slices[0]": "day"}), trial("other", **OTHERS)

    assert names(trials.rivals(committed, [])) == ["committed"]
    assert names(trials.rivals(committed, [other, same])) == ["committed", "same"]


def test_where_none_answers_it_those_that_answer_the_first_ones_are_rivals():
    committed, third = trial("committed", **THINGS), trial("third", **{"data.name": "third"})

    assert names(trials.rivals(committed, [trial("a", **OTHERS), third, trial("b", **OTHERS)])) == ["a", "b"]
