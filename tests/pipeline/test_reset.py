"""`make reset` puts results back as committed, also where git and DVC believe that nothing has changed."""

import os
from pathlib import Path

import pytest

import penguins
from penguins import run

MAKEFILE = Path("Makefile").resolve()
METRICS = "data/report/metrics.json"


def reset(project):
    return run(project, "make", "-f", str(MAKEFILE), "-o", ".venv/.ready", "reset")


def other_scores(text):
    """Text of the same length with other digits, as another table would give."""
    return text.translate(str.maketrans("123456789", "987654321"))


def test_scores_that_git_takes_for_its_own_are_put_back(project):
    run(project, "git", "config", "core.trustctime", "false")
    run(project, "git", "config", "core.checkStat", "minimal")
    metrics = project / METRICS
    run(project, "git", "status")
    committed, before = metrics.read_text(), metrics.stat()
    metrics.write_text(other_scores(committed))
    os.utime(metrics, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.utime(project / ".git/index", ns=(before.st_atime_ns, before.st_mtime_ns + 10**10))
    assert run(project, "git", "status", "--porcelain") == "", "git sees the change: this test shows nothing"

    said = reset(project)

    assert metrics.read_text() == committed
    assert run(project, "git", "rev-parse", "--short", "HEAD").strip() in said


def test_what_an_experiment_and_a_killed_stage_leave_goes_and_what_people_wrote_stays(project):
    penguins.remade(project, "model=naive_bayes")
    run(project, "git", "add", "--all")
    (project / "data/report/new.json").write_text("{}")
    (project / "data/model/schema.json").write_text("half of a")
    notes = project / "conf/data/mine.yaml"
    notes.write_text("name: mine\n")
    run(project, "git", "add", "data/report/new.json", str(notes))

    reset(project)

    assert run(project, "git", "status", "--porcelain") == "A  conf/data/mine.yaml\n"
    assert "up to date" in run(project, "dvc", "status")


def test_in_a_clone_without_a_cache_it_says_how_to_get_the_outputs(project, tmp_path):
    run(project, "git", "clone", "--quiet", str(project), str(tmp_path / "clone"))

    said = reset(tmp_path / "clone")

    assert "DVC's cache lacks outputs of the stages: type make repro, or dvc pull." in said
    assert run(tmp_path / "clone", "git", "status", "--porcelain") == ""


@pytest.mark.long("50 ways back from another table's scores")
def test_the_way_back_never_fails(project):
    committed = (project / METRICS).read_text()
    for _ in range(50):
        (project / METRICS).write_text(other_scores(committed))
        run(project, "git", "add", METRICS)
        reset(project)
        assert (project / METRICS).read_text() == committed


def test_the_page_names_this_way_back_and_no_other():
    page = Path("README.md").read_text()

    assert "make reset" in page
    assert "git restore" not in page
