"""The data service keeps to itself, and its page and .env.example say what its code does."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from data_api.metrics import Metrics
from data_api.routes import PATHS, ROUTES
from data_api.settings import Settings

SOURCE = Path("db/data_api")
PAGE = Path("db/README.md").read_text()
EXAMPLE = Path(".env.example").read_text()
ASKING = re.compile(r"^from sqlalchemy\S* import .*\b(select|insert|update|delete)\b", re.MULTILINE)


def test_queries_are_in_crud_and_database_alone():
    asking = {path.parent.name for path in SOURCE.rglob("*.py") if ASKING.search(path.read_text())}

    assert asking - {"versions"} == {"crud", "database"}  # migrations move rows at times


def test_what_answers_has_loaded_neither_the_pipeline_nor_its_libraries():
    code = "import sys, data_api.app; print(sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": "src:db"}, capture_output=True, text=True, check=True
    )
    loaded = set(ast.literal_eval(done.stdout))

    assert (
        loaded & {"pipeline", "prediction_api", "pandas", "sklearn", "scipy", "mlflow", "dvc", "onnxruntime", "numpy"}
        == set()
    )
    assert {"fastapi", "sqlalchemy"} <= loaded


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_a_setting_is_in_the_example_with_its_default(name):
    line = re.search(rf"^# {name.upper()}=(.*)$", EXAMPLE, re.MULTILINE)
    assert line, f"{name.upper()} is missing in .env.example"
    default = Settings.model_fields[name].default
    if line[1] and default is not None:
        assert Settings.model_validate({name: line[1]}) == Settings.model_validate({name: default})


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([A-Z][A-Z_]{3,})[`=]", PAGE)) - {"PATCH", "DELETE", "POST"}))
def test_a_setting_that_the_page_names_exists(name):
    assert re.search(rf"^# {name}=", EXAMPLE, re.MULTILINE)


def test_the_page_lists_each_metric_and_no_other():
    listed = set(re.findall(r"`(data_api_\w+)`", PAGE))
    code = "\n".join((SOURCE / f"{name}.py").read_text() for name in ("metrics", "app_state"))

    assert listed == set(re.findall(r'"(data_api_\w+)"', code))
    assert len([family for family in Metrics().registry.collect() if family.name.startswith("data_api")]) >= 6


def test_the_page_lists_each_route_and_no_other():
    table = PAGE[PAGE.index("| Route |") : PAGE.index("## Metrics")]
    listed = set(re.findall(r"`(?:[A-Z]+ )?(/[\w{}/-]*)`", table)) - {"/docs"}

    assert all(any(pattern.match(path) for _, pattern, _ in ROUTES) for path in listed)
    assert len(listed) == len(PATHS)
