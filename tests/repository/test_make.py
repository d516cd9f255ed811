"""What a person gives to `make`, or writes into .env, reaches the command as it stands."""

import os
import shutil
import subprocess
import sys

import pytest

ECHO = """#!/bin/sh
printf '%s|' "$@"
printf '%s' "$MLFLOW_TRACKING_URI"
"""


@pytest.fixture
def make(tmp_path):
    """A function that makes a target in a folder whose python prints its arguments, and the registry's address."""
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").write_text(ECHO)
    (tmp_path / ".venv/bin/python").chmod(0o755)
    (tmp_path / "requirements").mkdir()
    for name in ("requirements/uv.txt", "requirements/dev.txt", "pyproject.toml", ".venv/.ready"):
        (tmp_path / name).touch()
    shutil.copy("Makefile", tmp_path)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "MLFLOW", "CORE"))}

    def run(*words, **environment):
        done = subprocess.run(
            ["make", *words], cwd=tmp_path, env={**kept, **environment}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        *arguments, registry = done.stdout.split("|")
        return arguments[2:], registry

    return run


@pytest.mark.parametrize(
    ("target", "variable", "before", "option"),
    [
        ("diff", "BASE", ["--"], ""),
        ("history", "AT", [], "--at="),
        ("promote", "BECAUSE", [], "--because="),
        ("experiments", "REV", [], "--list="),
    ],
)
@pytest.mark.parametrize("text", ["v1 $x", 'it\'s 5 $(pwd) # "more"', "--all"])
def test_what_a_person_wrote_is_one_argument_as_it_stands(make, target, variable, before, option, text):
    assert make(target, f"{variable}={text}")[0] == [*before, option + text]
    assert make(target, **{variable: text})[0] == [*before, option + text]


def test_a_backtest_and_a_table_to_score_are_named_by_paths_as_they_stand(make):
    words = ["SET=model=logistic model.C=0.1", "JSON=what $1.csv", "AGAINST=it's before.json", "PERIOD=week", "TEST=1"]

    assert make("score", "FILE=what $1", "OUTPUT=it's.parquet")[0] == ["what $1", "it's.parquet"]
    assert make("backtest", *words)[0] == [
        "--period=week", "--test", "--json=what $1.csv", "--against=it's before.json", "model=logistic", "model.C=0.1"
    ]  # fmt: skip


@pytest.mark.parametrize(("word", "options"), [("TEST=", []), ("TEST=0", []), ("TEST=1", ["--test"])])
def test_the_test_months_take_part_in_a_backtest_only_if_they_are_asked_for(make, word, options):
    assert make("backtest", word)[0] == options


@pytest.mark.parametrize("words", [["OUTPUT=scores"], ["FILE=table"], ["FILE=", "OUTPUT="]])
def test_a_table_to_score_and_a_place_for_its_scores_are_both_named(make, words):
    with pytest.raises(
        AssertionError, match="error: name FILE and OUTPUT, for example make score FILE=data/processed/test OUTPUT"
    ):
        make("score", *words)


def test_without_a_base_a_change_is_held_against_main(make):
    assert make("diff")[0] == ["--", "main"]


def test_what_is_typed_in_front_of_make_goes_before_what_env_says(make, tmp_path):
    (tmp_path / ".env").write_text("MLFLOW_TRACKING_URI=http://team:5000\n")

    assert make("rollback")[1] == "http://team:5000"
    assert make("rollback", MLFLOW_TRACKING_URI="http://127.0.0.1:5000")[1] == "http://127.0.0.1:5000"


@pytest.mark.parametrize("value", ["http://team:p$word@host", "http://team:$(pwd)`#1`@host # 'no remark\"", "a\\b  c"])
def test_a_value_in_env_is_all_that_follows_its_name(make, tmp_path, value):
    (tmp_path / ".env").write_text(f"MLFLOW_TRACKING_URI=first\nLOG_LEVEL=INFO\nMLFLOW_TRACKING_URI={value}\n")

    assert make("rollback")[1] == value


@pytest.mark.parametrize(
    "line",
    [
        "export {}=value",
        "{} = value",
        "{} =value",
        "  {}=value",
        "\ufeff{}=value",
        "{}=value\r",
        "# more\n\nexport  {}= value",
    ],
)
def test_env_is_read_however_compose_would_take_its_lines(make, tmp_path, line):
    (tmp_path / ".env").write_text(line.format("MLFLOW_TRACKING_URI") + "\n")

    assert make("rollback")[1] == "value"


@pytest.mark.parametrize("line", ["LOG_LEVEL: DEBUG", "LOG LEVEL=DEBUG", "DEBUG"])
def test_a_line_of_env_that_is_no_setting_is_refused_by_its_number(make, tmp_path, line):
    (tmp_path / ".env").write_text(f"# settings\n{line}\n")

    with pytest.raises(AssertionError, match="should hold lines such as NAME=value, and comments; line 2 is neither"):
        make("rollback")


@pytest.mark.parametrize(("words", "options"), [([], []), (["CORE=1"], ["--core"])])
@pytest.mark.parametrize("target", ["smoke", "up"])
def test_the_core_alone_is_an_option_of_the_command(make, target, words, options):
    assert make(target, *words)[0] == options


def test_a_demo_takes_days_and_speed_and_events_a_file_as_it_is_called(make):
    assert make("demo", "DAYS=1", "SPEED=60")[0] == ["--days", "1", "--speed", "60"]
    assert make("events", "FILE=what left $1.csv", "TABLE=flights", "FOLLOW=1")[0] == [
        "what left $1.csv", "--table", "flights", "--follow",
    ]  # fmt: skip


def test_each_setting_of_an_experiment_is_one_argument_and_a_name_of_the_machine_is_none(make):
    settings = ["model=logistic", "model.C=choice(1,2)", "data.source.path=$HOME"]

    assert make("experiment", f"SET={' '.join(settings)}".replace("$", "$$"), NAME="machine")[0] == settings
    assert make("experiment", "SET=a=1", "NAME=mine")[0] == ["--name=mine", "a=1"]


ELSEWHERE = (
    "UV_SYSTEM_PYTHON", "UV_BREAK_SYSTEM_PACKAGES", "UV_PYTHON", "UV_TARGET", "UV_PREFIX", "PIP_TARGET", "PIP_PREFIX",
    "PIP_ROOT", "PIP_USER", "PIP_PYTHON", "PYTHONHOME",
)  # fmt: skip


def test_setup_installs_into_venv_whatever_a_shell_says_of_other_places(make, tmp_path):
    (tmp_path / ".venv/.ready").unlink()
    for name in ("python", "uv"):
        (tmp_path / ".venv/bin" / name).write_text(f'#!/bin/sh\n(echo {name} "$@"; env | cut -d= -f1) >> "$NOTES"\n')
        (tmp_path / ".venv/bin" / name).chmod(0o755)

    make("setup", f"PYTHON={sys.executable}", NOTES=str(tmp_path / "notes"), **dict.fromkeys(ELSEWHERE, "/usr"))

    notes = (tmp_path / "notes").read_text().splitlines()
    assert not set(ELSEWHERE) & set(notes)
    assert [line.split()[3:5] for line in notes if line.startswith("uv pip")] == [["--python", ".venv/bin/python"]] * 2
