"""Where git is not installed, who asks it gets a sentence or an empty answer, and no traceback."""

import pytest

from pipeline.registry import lineage
from pipeline.tracking import mlflow_runs
from pipeline.versioning import committed, git


@pytest.fixture(autouse=True)
def without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_there_is_no_answer():
    assert git.output("--version") is None


def test_what_is_not_committed_is_not_taken_for_nothing():
    with pytest.raises(
        git.GitUnavailable, match="git should list the files that are not committed; it failed with: git is not installed"
    ):
        git.changed_files()


def test_a_version_wants_its_commit():
    with pytest.raises(committed.NotCommitted, match=r"git gives none \(git is not installed\)"):
        committed.require(lineage.RULE, ())


def test_a_run_is_logged_without_its_commit():
    assert mlflow_runs.tags() == {"git_commit": "", "git_changed": "false"}


def test_an_author_is_the_user_of_this_machine(monkeypatch):
    monkeypatch.setenv("LOGNAME", "anna")

    assert lineage.author() == "anna"
