"""Rooms import only downward: the contracts of import-linter in pyproject.toml hold, and cover every room."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = "src:serving:db:monitoring/kuma"
LINT = Path(sys.executable).parent / "lint-imports"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": PACKAGES}
    return subprocess.run([LINT, "--no-cache"], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_every_contract_is_kept():
    done = lint(Path.cwd())

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        (
            "src/pipeline/data/split.py",
            "from pipeline.modeling import fitting",
            "The rooms of src/pipeline import only downward",
        ),
        ("src/pipeline/stages/train.py", "from pipeline.stages import ingest", "A stage imports no other stage"),
        (
            "src/pipeline/features/point_in_time.py",
            "import time",
            "What computes touches neither files nor clock nor trackers",
        ),
    ],
)
def test_an_import_that_points_upward_breaks_its_contract(tmp_path, file, line, contract):
    tracked = subprocess.run(
        ["git", "ls-files", "src", "serving", "db", "monitoring/kuma", "pyproject.toml"],
        capture_output=True,
        text=True,
        check=True,
    )
    for name in tracked.stdout.splitlines():
        if name.endswith((".py", ".toml")):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(Path(name).read_text())
    (tmp_path / file).write_text(f"{(tmp_path / file).read_text()}\n{line}\n")

    done = lint(tmp_path)

    assert done.returncode == 1
    assert f"{contract} BROKEN" in " ".join(done.stdout.split())
