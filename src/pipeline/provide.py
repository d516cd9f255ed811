"""Sees to it that there is a model: takes it from DVC's cache, or reproduces it. What `docker compose up` runs first.

python -m pipeline.provide
"""

import subprocess

from pipeline import heartbeat, model_directory, stage
from pipeline.errors import OntimeError
from pipeline.paths import MODEL


class NotReproduced(OntimeError):
    """`dvc repro` failed, and there is no model."""


def main() -> None:
    """Makes the model where there is none, and says that the run is over; raises NotReproduced."""
    if (MODEL / model_directory.ABOUT).is_file():
        stage.say(f"{MODEL} is there: nothing to reproduce.")
    elif _dvc("checkout", "--quiet", str(MODEL), quiet=True) != 0:
        stage.say(f"{MODEL} is neither here nor in DVC's cache: it is reproduced, which takes a minute or two.")
        if status := _dvc("repro"):
            raise NotReproduced(f"`dvc repro` should make {MODEL}; it ended with {status}. What it says stands above.")
    heartbeat.main()


def _dvc(*words: str, quiet: bool = False) -> int:
    return subprocess.run(["dvc", *words], check=False, stderr=subprocess.DEVNULL if quiet else None).returncode


if __name__ == "__main__":
    stage.run(main)
