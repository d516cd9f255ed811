"""Makes a repository with the code of this one, in which a small table takes the place of the flights."""

import os
import shutil
import subprocess
from pathlib import Path

from pipeline import compose

QUICK = ["data=table", "evaluate.resamples=20", "evaluate.importance_rows=100", "evaluate.smallest_slice=20"]
TAKEN = (".dvcignore", ".gitignore", "conf", "dvc.yaml", "requirements", "src", "data/.gitignore", "data/report/.gitignore")


def made(folder, *overrides):
    """The repository, in which the penguins have passed all four stages with these overrides and are committed."""
    for name in (*TAKEN, "tests/pipeline/penguins.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if Path(name).is_dir() else shutil.copy
        copy(name, folder / name)
    config = folder / "conf/config.yaml"
    config.write_text(config.read_text().replace("data: flights", "data: table"))
    run(folder, "git", "init", "--quiet")
    run(folder, "git", "config", "user.name", "tests")
    run(folder, "git", "config", "user.email", "tests@example.org")
    run(folder, "dvc", "init", "--quiet")
    run(folder, "dvc", "config", "hydra.enabled", "True")
    reproduced(folder, *overrides)
    return folder


def reproduced(folder, *overrides):
    """Composes with these overrides, reproduces and commits."""
    compose.write(compose.compose(folder / "conf", [*QUICK, *overrides]), folder / "params.yaml")
    run(folder, "dvc", "repro")
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", " ".join(overrides) or "penguins")


def settings(folder):
    """The environment of a command in the folder: tools of this one, and nothing of it remembered elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "GIT_", "MLFLOW_"))}
    return {**kept, "MLFLOW_TRACKING_URI": f"sqlite:///{folder.parent / 'mlflow.db'}", "DVC_NO_ANALYTICS": "1"}


def run(folder, *command):
    """What a command prints that should succeed."""
    done = subprocess.run(command, cwd=folder, env=settings(folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
