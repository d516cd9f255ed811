"""A newcomer's walk through a fresh clone of HEAD, with real commands and a real service."""

import os
import subprocess

import pytest

import clones
from pipeline.params import compose
from ports import free_port

WALK_SECONDS = 900
SMALL = (  # what makes of minutes seconds; the steps are the same
    ("conf/config.yaml", "data: flights", "data: table"),
    ("conf/config.yaml", "resamples: 500", "resamples: 20"),
    ("conf/config.yaml", "importance_rows: 10000", "importance_rows: 100"),
    ("conf/model/logistic.yaml", "C: 1.0", "C: 0.00001"),
    ("conf/model/hgb.yaml", "max_iter: 400", "max_iter: 40"),
)


@pytest.fixture
def clone(tmp_path):
    """A fresh clone in which the penguins take the place of the flights, and logistic regression says next to nothing."""
    found = clones.cloned(tmp_path / "walk")
    for path, word, other in SMALL:
        file = found / path
        assert word in file.read_text()
        file.write_text(file.read_text().replace(word, other))
    compose.write(compose.compose(found / "conf"), found / "params.yaml")
    for words in (
        ("switch", "--quiet", "--create", "walk"),
        ("config", "user.name", "newcomer"),
        ("config", "user.email", "newcomer@example.org"),
        ("commit", "--quiet", "--all", "--message", "Penguins"),
    ):
        clones.git(*words, at=found)
    return found


def share_installation(clone):
    """The clone uses the .venv of this repository, and takes it for newer than what it was made from."""
    (clone / ".venv").symlink_to(clones.ROOT / ".venv")
    for name in ("pyproject.toml", "requirements/uv.txt", "requirements/dev.txt"):
        os.utime(clone / name, (0, 0))


LONG = pytest.mark.long("a newcomer's walk that begins with an installation, with what each command refuses")


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=LONG)])
def test_a_newcomer_can_walk_from_the_clone_to_the_second_champion_and_back(clone, whole):
    if not whole:
        share_installation(clone)
    ports = {name: str(free_port()) for name in ("PREDICTION_API_PORT", "DATA_API_PORT", "BOARD_PORT")}
    # Threads that wait for each other cost minutes of processor time where other tests run beside.
    environment = clones.environment(
        clone.parent, VIRTUAL_ENV="", CI="", OMP_NUM_THREADS="1", WHOLE_WALK="1" if whole else "", **ports
    )

    done = subprocess.run(
        ["tests/contract/walk.sh"], cwd=clone, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False, timeout=WALK_SECONDS,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-6000:]
    assert done.stdout.endswith("The walk is done.\n")
