"""Runs promtool and amtool: the one on the PATH, or else that of the image that runs in the stack."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

IMAGES = {"promtool": "prom/prometheus:v3.5.3", "amtool": "prom/alertmanager:v0.33.1"}


def ran(program: str, *words: str) -> subprocess.CompletedProcess:
    """What the program did in this folder; skips the test by name where neither it nor its image is to be had."""
    if shutil.which(program):
        command = [program]
    elif has_image(IMAGES[program]):
        here = Path.cwd()
        command = ["docker", "run", "--rm", "--network", "none", "--volume", f"{here}:{here}:ro", "--workdir", str(here)]
        command += ["--entrypoint", program, IMAGES[program]]
    else:
        pytest.skip(f"neither {program} nor the image {IMAGES[program]} is here: it did not check")
    return subprocess.run([*command, *words], capture_output=True, text=True, check=False)


@cache
def has_image(name: str) -> bool:
    """Whether an engine answers that has the image, or can get it."""
    if shutil.which("docker") is None:
        return False
    return any(
        subprocess.run(["docker", *words, name], capture_output=True, check=False).returncode == 0
        for words in (["image", "inspect"], ["pull", "--quiet"])
    )
