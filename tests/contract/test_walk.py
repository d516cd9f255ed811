"""A newcomer's walk through a fresh clone of HEAD, with real commands and a real service."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

import clones

WALK_SECONDS = 900


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return str(found.getsockname()[1])


@pytest.mark.skipif(
    not Path("data/model/about.json").is_file() and "CI" not in os.environ,
    reason="without what `make repro` made, the walk takes ten minutes: type `make repro` first",
)
def test_a_newcomer_can_walk_from_the_clone_to_the_second_champion_and_back(tmp_path):
    clone = clones.cloned(tmp_path / "walk")
    clones.git("switch", "--quiet", "--create", "walk", at=clone)
    for name, value in {"user.name": "newcomer", "user.email": "newcomer@example.org"}.items():
        clones.git("config", name, value, at=clone)
    shutil.copytree(".dvc/cache", clone / ".dvc/cache")  # what this clone has made; the walk makes what is new
    ports = {"PREDICTION_API_PORT": free_port(), "DATA_API_PORT": free_port()}
    environment = clones.environment(tmp_path / "walk", VIRTUAL_ENV="", **ports)

    done = subprocess.run(
        ["tests/contract/walk.sh"], cwd=clone, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False, timeout=WALK_SECONDS,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-6000:]
    assert done.stdout.endswith("The walk is done.\n")
