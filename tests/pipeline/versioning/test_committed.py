"""What no commit holds is named once, in the letters of its name."""

import subprocess
from pathlib import Path

import pytest

from pipeline.versioning import committed, dvc_status, git
from pipeline.versioning.committed import NotCommitted

NAME = "data/Größe der Kunden.csv"


def run(*words):
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(autouse=True)
def repository(tmp_path, monkeypatch):
    """A commit whose lock says that a stage read a file with an umlaut, which is there and in no commit."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dvc_status, "changed_stages", dict)
    for folder in ("conf", "src", "data"):
        Path(folder).mkdir()
    Path("dvc.lock").write_text(f"stages: {{ingest: {{deps: [{{path: {NAME}}}], outs: [{{path: data/raw}}]}}}}\n")
    Path(NAME).write_text("a\n1\n")
    run("init", "--quiet")
    run("add", "dvc.lock")
    run("commit", "--quiet", "-m", "Lock")


def test_a_file_that_git_does_not_have_is_named_once_and_legibly():
    with pytest.raises(NotCommitted) as error:
        committed.require("A rule", ())

    assert str(error.value).startswith(f"A rule; {NAME} is in no commit. Add and commit it")


def test_a_file_that_changed_is_named_legibly():
    run("add", "--all")
    run("commit", "--quiet", "-m", "Table")
    Path(NAME).write_text("b\n")

    assert git.changed_files() == [NAME]
    with pytest.raises(NotCommitted, match=rf"^A rule; 1 files have changed since \w{{9}}, such as {NAME}\. Commit them"):
        committed.require("A rule", ())


def test_a_source_that_no_stage_has_read_yet_is_named_too():
    run("add", "--all")
    Path(".git/info/exclude").write_text("data/ignored.csv\n")
    for name in ("data/new.csv", "data/ignored.csv"):
        Path(name).write_text("a\n1\n")
    run("commit", "--quiet", "-m", "Table")

    with pytest.raises(NotCommitted, match=r"^A rule; data/new\.csv, data/ignored\.csv is in no commit\. Add and commit"):
        committed.require("A rule", (), {NAME, "data/new.csv", "data/ignored.csv"})


def test_what_is_committed_is_its_commit():
    run("add", "--all")
    run("commit", "--quiet", "-m", "Table")

    assert committed.require("A rule", ()) == run("rev-parse", "HEAD")
