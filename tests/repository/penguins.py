"""Repositories with the code of this one, in which the penguins have passed all four stages."""

import shutil
import subprocess
from pathlib import Path

import pytest
from dvc.repo import Repo

import clones
import in_process
from pipeline.params import compose
from pipeline.reporting import figures

STAGES = ("ingest", "preprocess", "train", "evaluate")
QUICK = ["data=table", "evaluate.resamples=20", "evaluate.importance_rows=100", "evaluate.smallest_slice=20"]
TREES = 100  # of the boosting; the committed 400 take three times as long, and tell no more of so small a table
TAKEN = (
    ".dvcignore", ".gitignore", "conf", "dvc.yaml", "requirements", "src", "data/.gitignore", "data/report/.gitignore",
    "tests/pipeline/penguins.csv",
)  # fmt: skip


def made(folder: Path) -> Path:
    """A reproduced and committed repository in a new folder; MLflow's database and DVC's settings lie beside it."""
    project = folder / "project"
    for name in TAKEN:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if Path(name).is_dir() else shutil.copy
        copy(name, project / name)
    defaults = project / "conf/config.yaml"
    text = defaults.read_text().replace("data: flights", "data: table")
    for key, value in (("resamples", 20), ("importance_rows", 100), ("smallest_slice", 20)):
        text = text.replace(f"  {key}: ", f"  {key}: {value} # instead of ")
    defaults.write_text(text)
    boosting = project / "conf/model/hgb.yaml"
    boosting.write_text(boosting.read_text().replace("max_iter: 400", f"max_iter: {TREES}"))
    compose.write(compose.compose(project / "conf"), project / "params.yaml")
    run(project, "git", "init", "--quiet")
    run(project, "git", "config", "user.name", "tests")
    run(project, "git", "config", "user.email", "tests@example.org")
    run(project, "dvc", "init", "--quiet")
    for name in (".dvc/config", ".dvc/plots.html"):
        shutil.copy(name, project / name)
    subprocess.run(["dvc", "repro", "--quiet"], cwd=project, env=environment(project), check=True)  # each stage in a process
    run(project, "git", "add", "--all")
    run(project, "git", "commit", "--quiet", "--message", "penguins")
    return project


def remade(project: Path, *overrides: str) -> None:
    """Composes with these overrides and reproduces: as `dvc repro`, with the stages and DVC in this process.

    The report has empty pictures: to draw them takes longer than all else.
    """
    compose.write(compose.compose(project / "conf", list(overrides)), project / "params.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "_svg", lambda *_, **__: "<svg></svg>")
        for stage in STAGES:
            settings = {**environment(project), "DVC_STAGE": stage}
            done = in_process.run(f"stages.{stage}", folder=project, environment=settings)
            assert done.returncode == 0, done.stderr
    in_process.call(lambda: _commit_outputs(project), [], folder=project, environment=environment(project))


def _commit_outputs(project: Path) -> None:
    with Repo(str(project)) as repository:
        repository.commit(force=True)


def reproduced(project: Path, *overrides: str) -> None:
    """Composes with these overrides, reproduces and commits."""
    remade(project, *overrides)
    run(project, "git", "add", "--all")
    run(project, "git", "commit", "--quiet", "--message", " ".join(overrides))


def copied(project: Path, folder: Path) -> Path:
    """A copy that may be changed, with an MLflow database and settings of its own."""
    shutil.copytree(project.parent, folder)
    return folder / project.name


def environment(project: Path) -> dict[str, str]:
    """The environment of a command in the repository: tools of this one, its own code, and nothing remembered elsewhere."""
    return clones.environment(project.parent, PYTHONPATH="src", OMP_NUM_THREADS="1")


def run(project: Path, *command: str, status: int = 0) -> str:
    """What a command prints, which should end with this status."""
    done = command_in(project, *command)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def command_in(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in the repository, which may fail; DVC and its stages run in this process."""
    if command[0] == "dvc":
        return in_process.run_dvc(*command[1:], folder=project, environment=environment(project))
    return subprocess.run(command, cwd=project, env=environment(project), capture_output=True, text=True, check=False)
