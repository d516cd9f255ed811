"""The data service keeps to itself, and its page and .env.example say what its code does."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from data_api.metrics import Metrics
from data_api.routes import ROUTES
from data_api.settings import Settings

SOURCE = Path("db/data_api")
PAGE = Path("db/README.md").read_text()
EXAMPLE = Path(".env.example").read_text()
ALLOWED = {
    "alembic", "argon2", "data_api", "fastapi", "fastapi_swagger", "jwt", "limits", "prometheus_client", "psycopg",
    "pydantic", "pydantic_core", "pydantic_settings", "pythonjsonlogger", "sqlalchemy", "starlette", "typing_extensions",
    "uvicorn", "uvloop",
}  # fmt: skip
FLOORS = (
    {"errors", "ids", "drift", "logs", "keys", "models.base", "problems"},
    {
        "models.users",
        "models.api_keys",
        "models.predictions",
        "models.outcomes",
        "models.deployments",
        "models.models",
        "models.retired_keys",
        "database",
        "heartbeat",
        "settings",
    },
    {"models", "metrics", "passwords", "tokens", "logins", "schemas.fields"},
    {
        "migrating",
        "crud.locks",
        "crud.bulk",
        "crud.users",
        "crud.api_keys",
        "crud.deployments",
        "crud.models",
        "crud.performance",
        "crud.drift",
    },
    {"crud.months"},
    {"crud.predictions", "crud.outcomes", "first"},
    {
        "schemas.users",
        "schemas.api_keys",
        "schemas.predictions",
        "schemas.outcomes",
        "schemas.deployments",
        "schemas.models",
        "schemas.performance",
    },
    {"service"},
    {"callers", "routes.answers", "routes.media", "routes.parameters", "routes.windows"},
    {"routes.bulk"},
    {
        "routes.users",
        "routes.api_keys",
        "routes.predictions",
        "routes.outcomes",
        "routes.deployments",
        "routes.models",
        "routes.performance",
    },
    {"routes.tokens", "routes.health"},
    {"routes", "edge"},
    {"openapi"},
    {"app"},
    {"__main__"},
)
EMPTY = {"crud", "schemas"}  # packages that only say what is in them
ASKING = {"select", "insert", "update", "delete"}  # what queries are made of


def modules():
    found = {".".join(path.relative_to(SOURCE).with_suffix("").parts): path for path in SOURCE.rglob("*.py")}
    named = {name.removesuffix(".__init__"): path for name, path in found.items() if name != "__init__"}
    return {name: path for name, path in named.items() if not name.startswith("migrations") and name not in EMPTY}


MODULES = modules()


def imported(path):
    """The full names of what a file imports, at the top or in a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def own(path):
    """The modules of the service that a file imports."""
    names = {name.removeprefix("data_api.") for name in imported(path) if name.startswith("data_api.")}
    return {name if name in MODULES else name.rpartition(".")[0] for name in names} - {""}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_uses_only_the_libraries_of_the_service(module):
    libraries = {name.split(".")[0] for name in imported(MODULES[module])}

    assert libraries - set(sys.stdlib_module_names) - ALLOWED == set()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_from_floors_below(module):
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}

    assert {name for name in own(MODULES[module]) if floor[name] >= floor[module]} == set()


def test_queries_are_in_crud_alone():
    asking = {
        module
        for module, path in MODULES.items()
        if {name.rpartition(".")[2] for name in imported(path) if name.startswith("sqlalchemy")} & ASKING
    }

    assert {module for module in asking if not module.startswith("crud.")} == set()


def test_what_answers_has_loaded_neither_the_pipeline_nor_its_libraries():
    code = "import sys, data_api.app; print(sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": "db"}, capture_output=True, text=True, check=True)
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
    code = "\n".join((SOURCE / f"{name}.py").read_text() for name in ("metrics", "service"))

    assert listed == set(re.findall(r'"(data_api_\w+)"', code))
    assert len([family for family in Metrics().registry.collect() if family.name.startswith("data_api")]) >= 6


def test_the_page_lists_each_route_and_no_other():
    table = PAGE[PAGE.index("| Route |") : PAGE.index("## Metrics")]
    listed = set(re.findall(r"`(?:[A-Z]+ )?(/[\w{}/-]*)`", table)) - {"/docs"}

    assert all(any(pattern.match(path) for pattern, _ in ROUTES) for path in listed)
    assert len(listed) == len({pattern.pattern for pattern, _ in ROUTES})
