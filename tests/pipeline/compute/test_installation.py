"""Workers are compared with the process by each package that can move a byte of what they compute."""

import re
import sys
from pathlib import Path

from pipeline.compute import installation

NO_NUMBERS = {"hydra", "pydantic", "threadpoolctl", "yaml"}  # they read settings, or set how many threads there are
OURS = {"column_types", "pipeline"}
ROOMS = ("backtest", "data", "evaluation", "examples", "features", "modeling", "recipes", "score")


def test_each_package_that_tasks_compute_with_is_compared():
    files = [path for room in ROOMS for path in Path("src/pipeline", room).rglob("*.py")]
    imported = {
        name
        for path in [*files, *Path("src/column_types").rglob("*.py")]
        for name in re.findall(r"^ *(?:import|from) (\w+)", path.read_text(), re.MULTILINE)
    }
    names = {"sklearn": "scikit-learn"}
    packages = {names.get(name, name) for name in imported - sys.stdlib_module_names - NO_NUMBERS - OURS}

    assert set(installation.PACKAGES) == packages
    assert None not in installation.here().packages.values()
