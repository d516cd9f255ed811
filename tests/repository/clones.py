"""Fresh clones of HEAD whose caches, settings and MLflow database lie beside them and belong to nobody else."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
# A git hook, a DVC stage or a person's shell may set these: they would lead a clone's tools back to this repository.
FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX", "GIT_OBJECT", "DVC_", "MLFLOW_", "OMP_NUM", "OPENBLAS_", "PYTHON")


def cloned(folder: Path, commit: str = "HEAD") -> Path:
    """A commit of this repository in ``folder / "clone"``, with an empty DVC cache."""
    folder.mkdir(parents=True)
    git("clone", "--quiet", "--no-checkout", str(ROOT), str(folder / "clone"))
    git("checkout", "--quiet", "--detach", commit, at=folder / "clone")
    return folder / "clone"


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of commands in the clone: nothing that they share or remember lies outside ``folder``."""
    dvc = {f"DVC_{what}_DIR": str(folder / what.lower()) for what in ("GLOBAL_CONFIG", "SYSTEM_CONFIG", "SITE_CACHE")}
    return {**_own(), **dvc, "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}", **more}


def git(*words: str, at: Path = ROOT) -> str:
    """What a git command prints in the repository at ``at``; raises CalledProcessError where it fails."""
    return subprocess.run(["git", *words], cwd=at, env=_own(), stdout=subprocess.PIPE, text=True, check=True).stdout


def _own() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
