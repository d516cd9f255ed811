"""A model is taken where it is: the folder, DVC's cache, or a run of the pipeline."""

import shutil

import pytest

import in_process
from penguins import command_in, copied, environment, run
from pipeline.operations import ensure_model

PROVIDE = ("python", "-m", "pipeline.operations.ensure_model")


@pytest.fixture
def project(reproduced, tmp_path):
    return copied(reproduced, tmp_path / "copy")


def test_a_model_that_is_there_is_left_alone(project):
    done = command_in(project, *PROVIDE)

    assert (done.returncode, done.stderr.strip()) == (0, "data/model is there: nothing to reproduce.")


def test_a_model_in_the_cache_is_taken_from_there(project):
    shutil.rmtree(project / "data/model")
    done = command_in(project, *PROVIDE)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (project / "data/model/metadata.json").is_file()


def test_a_model_that_is_nowhere_is_reproduced_to_the_byte(project, monkeypatch):
    """DVC runs in this process here, with the stages; in the other tests it has one of its own."""
    for folder in ("data/model", "data/processed", "data/raw", ".dvc/cache"):
        shutil.rmtree(project / folder)
    monkeypatch.setattr(ensure_model, "_dvc", lambda *words, **_: command_in(project, "dvc", *words).returncode)
    done = in_process.run("operations.ensure_model", folder=project, environment=environment(project))

    assert done.returncode == 0, done.stderr
    assert "it is reproduced" in done.stderr
    assert run(project, "git", "status", "--porcelain") == ""


def test_a_pipeline_that_fails_is_a_sentence(project):
    for folder in ("data/model", ".dvc/cache"):
        shutil.rmtree(project / folder)
    (project / "dvc.yaml").write_text("stages: {train: {cmd: 'false', outs: [data/model]}}")
    done = command_in(project, *PROVIDE)

    assert done.returncode == 1
    assert "error: `dvc repro` should make data/model; it ended with" in done.stderr
