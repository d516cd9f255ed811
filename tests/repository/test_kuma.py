"""The provisioner of Uptime Kuma imports no other package of ours; its page and .env.example agree with its code."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kuma_provisioner.config_loader import read
from kuma_provisioner.credentials import DEVELOPMENT
from kuma_provisioner.settings import Settings

FILES = Path("monitoring/kuma/kuma_config.yml"), Path("monitoring/kuma/kuma_agent.yml")
PAGE = Path("monitoring/README.md").read_text()
EXAMPLE = Path(".env.example").read_text()


def test_a_run_loads_neither_the_services_nor_the_pipeline():
    code = "import sys, kuma_provisioner.__main__; print(sorted({name.split('.')[0] for name in sys.modules}))"
    completed = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": "monitoring/kuma"}, capture_output=True, text=True, check=True
    )
    loaded = set(ast.literal_eval(completed.stdout))

    assert loaded & {"pipeline", "prediction_api", "data_api", "fastapi", "sqlalchemy", "pandas", "numpy", "mlflow"} == set()
    assert "socketio" in loaded


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_a_setting_is_in_the_example_with_its_default(name):
    line = re.search(rf"^# {name.upper()}=(.*)$", EXAMPLE, re.MULTILINE)
    assert line, f"{name.upper()} is missing in .env.example"
    assert Settings.model_validate({name: line[1]}) == Settings.model_validate({})


@pytest.mark.parametrize("name", sorted(DEVELOPMENT))
def test_a_secret_is_in_the_example_without_a_value_and_as_a_file(name):
    for variable in (name, f"{name}_FILE"):
        assert re.search(rf"^# {variable}=$", EXAMPLE, re.MULTILINE), f"{variable} is missing in .env.example"


def test_development_has_a_token_for_each_heartbeat_and_no_other():
    tokens = {heartbeat.token_env for heartbeat in read(*FILES).agent.heartbeats.values()}

    assert tokens | {"KUMA_ADMIN_PASSWORD"} == set(DEVELOPMENT)


def test_a_setting_that_the_page_names_exists():
    named = set(re.findall(r"`(KUMA_[A-Z_]+)", PAGE))

    assert named
    assert [name for name in sorted(named) if not re.search(rf"^# {name}=", EXAMPLE, re.MULTILINE)] == []
