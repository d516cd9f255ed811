"""What a person gives to `make` reaches the command as it stands, and targets that ask one service ask at one address."""

import os
import shutil
import subprocess

import pytest

ECHO = """#!/bin/sh
printf '%s|' "$@"
printf '%s' "$DATA_API_URL"
printf '|%s|%s' "$MLFLOW_TRACKING_URI" "$FIRST_ADMIN_PASSWORD"
"""


@pytest.fixture
def make(tmp_path):
    """A function that makes a target in a folder whose python prints its arguments, and the address of the data service."""
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").write_text(ECHO)
    (tmp_path / ".venv/bin/python").chmod(0o755)
    (tmp_path / "requirements").mkdir()
    for name in ("requirements/uv.txt", "requirements/dev.txt", "pyproject.toml", ".venv/.ready"):
        (tmp_path / name).touch()
    shutil.copy("Makefile", tmp_path)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MAKE", "MFLAGS", "DATA_API", "MLFLOW", "SECRETS", "FIRST_", "CORE"))
    }

    def run(*words, **environment):
        done = subprocess.run(
            ["make", *words], cwd=tmp_path, env={**kept, **environment}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        *arguments, address, registry, password = done.stdout.split("|")
        return arguments[2:], address, registry, password

    return run


@pytest.mark.parametrize(
    ("target", "variable", "before"),
    [("diff", "BASE", ["--"]), ("history", "AT", []), ("promote", "BECAUSE", []), ("experiments", "REV", [])],
)
@pytest.mark.parametrize("text", ["v1 $x", 'it\'s 5 $(pwd) # "more"', "--all"])
def test_what_a_person_wrote_is_one_argument_as_it_stands(make, target, variable, before, text):
    option = "" if before else f"--{variable.lower()}="

    assert make(target, f"{variable}={text}")[0] == [*before, option + text]
    assert make(target, **{variable: text})[0] == [*before, option + text]


def test_without_a_base_a_change_is_held_against_main(make):
    assert make("diff")[0] == ["--", "main"]


@pytest.mark.parametrize("target", ["history", "demo"])
@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, "http://127.0.0.1:8001"),
        ({"DATA_API_PORT": "9001"}, "http://127.0.0.1:9001"),
        ({"DATA_API_PORT": "9001", "DATA_API_URL": "http://data"}, "http://data"),
    ],
    ids=str,
)
def test_the_data_service_is_asked_where_it_was_told_to_listen(make, target, settings, address):
    assert make(target, **settings)[1] == address


def test_what_is_typed_in_front_of_make_goes_before_what_env_says(make, tmp_path):
    (tmp_path / ".env").write_text("MLFLOW_TRACKING_URI=http://team:5000\n")

    assert make("rollback")[2] == "http://team:5000"
    assert make("rollback", MLFLOW_TRACKING_URI="http://127.0.0.1:5000")[2] == "http://127.0.0.1:5000"


@pytest.mark.parametrize("target", ["history", "demo", "smoke"])
def test_who_asks_the_containers_has_their_secrets(make, tmp_path, target):
    (tmp_path / "own").mkdir()
    for name in ("service_key", "first_admin_password"):
        (tmp_path / "own" / name).write_text(f"{name} of our own\n")

    assert make(target)[3] == ""
    assert make(target, SECRETS="own")[3] == "first_admin_password of our own"
    assert make(target, SECRETS="own", FIRST_ADMIN_PASSWORD="typed")[3] == "typed"
