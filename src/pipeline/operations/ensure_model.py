"""Sees to it that there is a model: takes it from DVC's cache, or reproduces it. What `docker compose up` runs first.

python -m pipeline.operations.ensure_model
"""

import subprocess

from pipeline.config.paths import MODEL
from pipeline.modeling import artifact
from pipeline.operations import heartbeat
from pipeline.support import console
from pipeline.support.errors import OntimeError


class NotReproduced(OntimeError):
    """`dvc repro` failed, and there is no model."""


def main() -> None:
    """Makes the model where there is none, and says that the run is over; raises NotReproduced."""
    if (MODEL / artifact.METADATA).is_file():
        console.say(f"{MODEL} is there: nothing to reproduce.")
    elif _dvc("checkout", "--quiet", str(MODEL), quiet=True) != 0:
        console.say(f"{MODEL} is neither here nor in DVC's cache: it is reproduced, which takes a minute or two.")
        if status := _dvc("repro"):
            raise NotReproduced(f"`dvc repro` should make {MODEL}; it ended with {status}. What it says stands above.")
    heartbeat.main()


def _dvc(*words: str, quiet: bool = False) -> int:
    return subprocess.run(["dvc", *words], check=False, stderr=subprocess.DEVNULL if quiet else None).returncode


if __name__ == "__main__":
    console.run(main)
