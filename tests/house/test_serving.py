"""The prediction service keeps to itself, and its page and .env.example say what its code does."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from prediction_api.metrics import Metrics
from prediction_api.routes import PATHS
from prediction_api.settings import Settings

SOURCE = Path("serving/prediction_api")
PAGE = Path("serving/README.md").read_text()
EXAMPLE = Path(".env.example").read_text()
ALLOWED = {
    "fastapi", "fastapi_swagger", "httpx", "numpy", "onnxruntime", "prediction_api", "prometheus_client", "pydantic",
    "pydantic_core", "pydantic_settings", "starlette", "tenacity", "tqdm", "typing_extensions",
    "uuid_utils", "uvicorn", "uvloop",
}  # fmt: skip
ONLY_IN = {"mlflow": {"fetching"}, "dvc": {"fetching"}, "pyarrow": {"chunks"}}
FLOORS = (
    {"errors", "logs"},
    {"contract"},
    {"records", "settings", "fetching", "kept"},
    {"model", "problems", "sources"},
    {"metrics", "keys", "chunks", "bodies"},
    {"outbox", "scoring", "connections"},
    {"live", "delivery", "together"},
    {"deployments", "heartbeat"},
    {"service"},
    {"predicting", "routes"},
    {"edge", "openapi"},
    {"app"},
    {"__main__"},
)


def modules():
    return sorted(path.stem for path in SOURCE.glob("*.py") if path.stem != "__init__")


def imported(module):
    """The full names of what a module imports, at the top or in a function."""
    found = set()
    for node in ast.walk(ast.parse((SOURCE / f"{module}.py").read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


@pytest.mark.parametrize("module", modules())
def test_a_module_uses_only_the_libraries_of_the_service(module):
    libraries = {name.split(".")[0] for name in imported(module)} - set(sys.stdlib_module_names) - ALLOWED

    assert {name for name in libraries if module not in ONLY_IN.get(name, set())} == set()


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_from_floors_below(module):
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    mine = {name.split(".")[1] for name in imported(module) if name.startswith("prediction_api.")}

    assert {name for name in mine if floor[name] >= floor[module]} == set()


def test_what_answers_has_loaded_neither_the_pipeline_nor_its_libraries():
    code = "import sys, prediction_api.app; print(sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": "serving"}, capture_output=True, text=True, check=True
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
    code = "\n".join((SOURCE / f"{name}.py").read_text() for name in ("metrics", "service"))
    written = set(re.findall(r'"(prediction_api_\w+)"', code))

    assert listed | {"prediction_api_outbox_max_bytes"} == written
    assert "prediction_api_outbox_max_bytes" in PAGE
    assert len([family for family in Metrics().registry.collect() if family.name.startswith("prediction_api")]) >= 10


def test_the_page_lists_each_route_and_no_other():
    listed = set(re.findall(r"^\| `(?:GET|POST) (/\S+)`", PAGE, re.MULTILINE))

    assert listed == PATHS | {"/predict", "/predict/batch"}


def test_the_page_is_short():
    assert len(PAGE.split()) < 600
