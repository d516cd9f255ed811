"""The prediction service keeps to itself, and its page and .env.example say what its code does."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from prediction_api.api.routes import PATHS
from prediction_api.metrics import Metrics
from prediction_api.settings import Settings

SOURCE = Path("serving/prediction_api")
PAGE = Path("serving/README.md").read_text().partition("\n## The board\n")[0]
EXAMPLE = Path(".env.example").read_text()


def test_what_answers_has_loaded_neither_the_pipeline_nor_its_libraries():
    code = "import sys, prediction_api.app; print(sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": "src:serving"}, capture_output=True, text=True, check=True
    )
    loaded = set(ast.literal_eval(done.stdout))

    assert loaded & {"pipeline", "data_api", "pandas", "sklearn", "scipy", "mlflow", "dvc", "sqlalchemy", "pyarrow"} == set()
    assert {"fastapi", "onnxruntime"} <= loaded


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_a_setting_is_in_the_example_with_its_default(name):
    line = re.search(rf"^# {name.upper()}=(.*)$", EXAMPLE, re.MULTILINE)
    assert line, f"{name.upper()} is missing in .env.example"
    default = Settings.model_fields[name].default
    if line[1] and default is not None:
        assert Settings.model_validate({name: line[1]}) == Settings.model_validate({name: default})


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([A-Z][A-Z_]{3,})`", PAGE)) - {"PATH"}))
def test_a_setting_that_the_page_names_exists(name):
    assert re.search(rf"^# {name}=", EXAMPLE, re.MULTILINE)


def test_the_page_lists_each_metric_and_no_other():
    listed = set(re.findall(r"^\| `(prediction_api_\w+)` \|", PAGE, re.MULTILINE))
    code = "\n".join((SOURCE / f"{name}.py").read_text() for name in ("metrics", "app_state"))
    written = set(re.findall(r'"(prediction_api_\w+)"', code))

    assert listed | {"prediction_api_outbox_max_bytes"} == written
    assert "prediction_api_outbox_max_bytes" in PAGE
    assert len([family for family in Metrics().registry.collect() if family.name.startswith("prediction_api")]) >= 10


def test_the_page_lists_each_route_and_no_other():
    listed = set(re.findall(r"^\| `(?:GET|POST) (/\S+)`", PAGE, re.MULTILINE))

    assert listed == PATHS
