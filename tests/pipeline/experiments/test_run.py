"""An experiment whose settings are wrong ends in a sentence before DVC is asked."""

import subprocess
import sys
from functools import partial

import pytest

from pipeline.experiments import run
from pipeline.experiments.run import OneExperimentOnly
from pipeline.support.errors import ParamsInvalid, SourceMissing


@pytest.fixture
def started(monkeypatch):
    """The commands that would run."""
    commands = []
    monkeypatch.setattr(
        run.subprocess, "run", lambda command, **_: commands.append(command[3:]) or subprocess.CompletedProcess(command, 3)
    )
    return commands


def experiment(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["run", *words])
    run.main()


def test_dvc_runs_it_with_each_override_and_its_status_counts(started, monkeypatch):
    with pytest.raises(SystemExit, match="3"):
        experiment(monkeypatch, "model=logistic", "model.C=0.1", "--name=mine")

    assert started == [["exp", "run", "--name", "mine", "-S", "model=logistic", "-S", "model.C=0.1"]]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model=nosuch", "Could not find 'model/nosuch'"),
        ("model.nosuch=1", "Could not override 'model.nosuch'"),
        ("data=2024", "Config group override must be a string"),
        ("model.C", "missing EQUAL"),
        ("model.max_iter=0", "max_iter is 0"),
        ("train.folds={", "no viable alternative"),
    ],
)
def test_a_wrong_override_is_a_sentence_and_nothing_runs(started, monkeypatch, override, said):
    with pytest.raises(ParamsInvalid, match=said):
        experiment(monkeypatch, override)

    assert started == []


def test_a_source_that_is_not_there_is_a_sentence_and_nothing_runs(started, monkeypatch):
    with pytest.raises(SourceMissing, match=r"^data\.source\.path is gone\.csv, which is not there .*, or correct it\.$"):
        experiment(monkeypatch, "data.source.path=gone.csv")

    assert started == []


def test_a_lock_with_conflict_markers_is_a_sentence_and_nothing_runs(started, monkeypatch, tmp_path):
    lock = tmp_path / "dvc.lock"
    lock.write_text("schema: '2.0'\n<<<<<<< HEAD\n")
    monkeypatch.setattr(run.dvc_lock, "read", partial(run.dvc_lock.read, lock))
    with pytest.raises(ParamsInvalid, match=r"dvc\.lock should be YAML"):
        experiment(monkeypatch, "model=logistic")

    assert started == []


def test_a_search_is_sent_to_the_command_for_searches(started, monkeypatch):
    with pytest.raises(OneExperimentOnly, match=r"these are 2\. Type `make sweep`"):
        experiment(monkeypatch, "model=logistic", "model.C=choice(0.1,1)")

    assert started == []
