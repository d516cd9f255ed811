"""CI, the hooks and make agree with one another, and nothing that they install can change under them."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

MAKEFILE = Path("Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
CI = Path(".ci/run")
WORKFLOWS = sorted(Path(".github/workflows").glob("*.yml"))
LOCKS = sorted(Path("requirements").glob("*.txt"))
REQUIREMENT = re.compile(r"[a-z0-9-]+==[^ ]+( ; [^\\]+?)?( --hash=sha256:[0-9a-f]{64})+")


def made(text: str) -> set[str]:
    """The make targets that a script or a workflow calls."""
    return set(re.findall(r"^(?:run|\s*- run:) make ([a-z-]+)$", text, re.MULTILINE))


def test_every_make_target_is_listed_with_what_it_does():
    listed = subprocess.run(["make", "help"], capture_output=True, text=True, check=True).stdout

    assert set(re.findall(r"^  make ([a-z-]+) +\S", listed, re.MULTILINE)) == TARGETS


def test_make_alone_lists_the_targets():
    alone, asked = (subprocess.run(["make", *words], capture_output=True, check=True).stdout for words in ([], ["help"]))

    assert alone == asked


def test_ci_checks_verifies_reproduces_and_tests():
    assert made(CI.read_text()) == {"setup", "check", "test", "verify", "repro"}
    assert os.access(CI, os.X_OK)


def test_each_workflow_calls_what_it_is_for():
    called = {path.name: made(path.read_text()) for path in WORKFLOWS}

    assert called == {"ci.yml": made(CI.read_text()), "audit.yml": {"setup", "audit"}}


def test_the_audit_runs_each_week_and_when_somebody_asks():
    workflow = yaml.safe_load(Path(".github/workflows/audit.yml").read_text())
    when = workflow[True]  # YAML reads the key `on` so

    assert set(when) == {"schedule", "workflow_dispatch"}
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", when["schedule"][0]["cron"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=str)
def test_a_workflow_is_one_by_its_published_schema(path):
    command = ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", [CI, *WORKFLOWS], ids=str)
def test_each_target_that_is_called_exists(path):
    assert made(path.read_text()) <= TARGETS


@pytest.mark.parametrize("path", WORKFLOWS, ids=str)
def test_actions_are_pinned_by_commit_with_their_release_beside_it(path):
    used = re.findall(r"uses: *(.+)", path.read_text())

    assert used
    assert [one for one in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=str)
def test_a_workflow_may_only_read(path):
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("path", LOCKS, ids=str)
def test_a_lock_names_exact_versions_with_hashes_and_no_address(path):
    lines = path.read_text().replace(" \\\n    --hash", " --hash").splitlines()

    assert lines
    assert [line for line in lines if not REQUIREMENT.fullmatch(line)] == []
    assert "://" not in path.read_text()


def test_hooks_download_nothing():
    repositories = yaml.safe_load(Path(".pre-commit-config.yaml").read_text())["repos"]

    assert [one["repo"] for one in repositories] == ["local"]
    assert {hook["language"] for one in repositories for hook in one["hooks"]} == {"system"}


def test_hooks_hold_params_to_conf_and_code_to_the_style_of_make_check():
    entries = [
        hook["entry"]
        for one in yaml.safe_load(Path(".pre-commit-config.yaml").read_text())["repos"]
        for hook in one["hooks"]
    ]

    for tool in ("ruff format --check", "ruff check", "python -m pipeline.compose --check"):
        assert any(tool in entry for entry in entries)
        assert tool in MAKEFILE
