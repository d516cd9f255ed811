"""What pages claim: each names only what there is, and the numbers of README.md are those of this repository."""

import json
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

import pages
from pipeline.params import compose

PAGE = Path("README.md").read_text()
BLOCKS = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = [line.split("#")[0].strip() for line in BLOCKS.splitlines() if line.split("#")[0].strip()]
INLINE = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL))
TOOLS = {"make", "dvc", "mlflow", "pre-commit"}
LABELS = {
    "ROC AUC": "roc_auc",
    "Average precision": "average_precision",
    "Brier score": "brier",
    "Calibration error": "calibration_error",
}


@pytest.mark.parametrize("check", pages.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("path", pages.tracked("*.md"), ids=str)
def test_a_page_names_only_what_there_is(path, check):
    assert list(check(path.read_text(), path.parent)) == []


def test_every_command_is_one_of_a_tool_that_setup_installs():
    words = [[word for word in shlex.split(command) if not re.match(r"[A-Z_]+=", word)] for command in COMMANDS]

    assert words
    assert {command[0] for command in words} <= TOOLS | {"git", "curl", "cp", "."}
    for name in TOOLS - {"make"}:
        assert (Path(".venv/bin") / name).exists()


def test_the_map_has_each_package_of_the_pipeline_and_none_imports_one_above_it():
    table = PAGE[PAGE.index("| Package |") :].split("\n\n")[0]
    listed = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    (floors,) = (
        contract["layers"]
        for contract in tomllib.loads(Path("pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
        if contract["id"] == "pipeline-floors"
    )
    floor = {package: number for number, names in enumerate(floors) for package in names.split(" | ")}

    assert set(listed) == set(floor)
    assert [floor[package] for package in listed] == sorted(floor.values())


def test_git_ignores_what_the_commands_of_pages_write():
    text = "\n".join(path.read_text() for path in pages.tracked("*.md"))
    names = set(re.findall(r"^make (?:backtest|score) .*\b(?:JSON|OUTPUT)=(\S+)", text, re.MULTILINE))
    ignored = subprocess.run(
        ["git", "check-ignore", *names, ".scores.parquet.x"], capture_output=True, text=True, check=True
    )

    assert names == {"trees.json", "scores", "scores.parquet"}
    assert set(ignored.stdout.split()) == {*names, ".scores.parquet.x"}


@pytest.mark.parametrize("command", [command for command in [*COMMANDS, *INLINE] if " -S " in command])
def test_the_overrides_of_an_experiment_compose(command):
    words = shlex.split(command)
    for override in (words[i + 1] for i, word in enumerate(words) if word == "-S"):
        key, _, value = override.partition("=")
        choices = re.fullmatch(r"choice\((.*)\)", value)
        for one in choices[1].split(",") if choices else [value]:
            if one != "mine":
                compose.compose(overrides=[f"{key}={one}"])


@pytest.mark.parametrize("label", LABELS)
def test_the_scores_are_those_of_the_committed_intervals(label):
    row = re.search(rf"^\| {label} \| ([\d.]+) \| ([\d.]+) to ([\d.]+) \|", PAGE, re.MULTILINE)
    interval = json.loads(Path("data/report/intervals.json").read_text())[LABELS[label]]

    assert row, f"README.md has a row for {label}"
    assert [f"{interval[end]:.3f}" for end in ("value", "low", "high")] == list(row.groups())


def test_the_committed_scores_reach_what_was_asked_of_them():
    metrics = json.loads(Path("data/report/metrics.json").read_text())

    assert metrics["roc_auc"] >= 0.730
    assert metrics["average_precision"] >= 0.515
    assert metrics["brier"] <= 0.1490
    assert metrics["calibration_error"] <= 0.018


def test_every_setting_of_the_environment_is_in_the_example():
    example = Path(".env.example").read_text()
    source = "\n".join(path.read_text() for path in Path("src").rglob("*.py"))
    read = set(re.findall(r'"((?:MLFLOW|ONTIME)_[A-Z_]+)"', source))

    assert read
    assert [name for name in sorted(read) if name not in example] == []


def test_nothing_but_its_own_recipe_names_a_column_of_the_flights():
    columns = set(re.findall(r"^ +(\w+): \{kind", Path("conf/data/flights.yaml").read_text(), re.MULTILINE))
    common = {
        "year",
        "month",
        "day",
        "minute",
        "origin",
        "hour",
        "seats",
        "visibility",
        "temperature",
    }  # English, or parts of any datetime
    mine = {
        *Path("src/pipeline/recipes/flights").glob("*.py"),
        Path("conf/data/flights.yaml"),
        Path("conf/card/flights.yaml"),
        Path("serving/board/api/routes.py"),  # the example of its API page
        Path("serving/board/__main__.py"),  # argparse, too, has a dest
    }
    board = [path for ending in ("*.py", "*.html") for path in Path("serving/board").rglob(ending)]
    mine |= {path for path in board if path.is_relative_to("serving/board/flights")}
    source = [path for ending in ("*.py", "*.j2") for path in Path("src").rglob(ending)]
    for path in [*source, *board, *Path("conf").rglob("*.yaml"), Path("dvc.yaml")]:
        if path not in mine:
            named = {name for name in columns - common if re.search(rf"\b{name}\b", path.read_text())}
            assert named == set(), f"{path} names {named}"
