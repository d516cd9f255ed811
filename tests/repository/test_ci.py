"""CI, the hooks and make agree with one another, and nothing that they install can change under them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import pythons

MAKEFILE = Path("Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
CI = Path(".ci/run")
WORKFLOWS = sorted(Path(".github/workflows").glob("*.yml"))
LOCKS = sorted(Path("requirements").glob("*.txt"))
REQUIREMENT = re.compile(r"[a-z0-9-]+==[^ ]+( ; [^\\]+?)?( --hash=sha256:[0-9a-f]{64})+")


def made(text: str) -> set[str]:
    """The make targets that a script or a workflow calls."""
    return set(re.findall(r"^(?:run|\s*(?:- )?run:) make ([a-z-]+)", text, re.MULTILINE))


def steps(path: Path) -> list[dict]:
    """The steps of all jobs of a workflow."""
    return [step for job in yaml.safe_load(path.read_text())["jobs"].values() for step in job["steps"]]


def held_to_schema(path: Path) -> subprocess.CompletedProcess:
    """GitHub's published schema, which the tool carries with it: nothing is downloaded."""
    command = ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


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
    called = {path.stem: made(path.read_text()) for path in WORKFLOWS}

    assert called == {
        "audit": {"setup", "audit"},
        "ci": made(CI.read_text()),
        "diff": {"setup", "repro", "diff"},
        "nightly": {"setup", "repro", "test-long"},
    }


def test_each_night_all_tests_run_on_every_python_that_is_supported():
    workflow = yaml.safe_load(Path(".github/workflows/nightly.yml").read_text())

    assert re.fullmatch(r"\d+ \d+ \* \* \*", workflow[True]["schedule"][0]["cron"])
    assert tuple(workflow["jobs"]["test"]["strategy"]["matrix"]["python"]) == pythons.VERSIONS


def test_ci_names_what_it_leaves_to_the_night():
    end = CI.read_text().rpartition("== Left out")[2]

    for words in ("tests/repository/long_tests.py", "make verify", "make test-pythons"):
        assert words in end


def test_whoever_runs_tests_is_told_which_were_skipped_and_why(tmp_path):
    (tmp_path / "test_one.py").write_text('import pytest\n\n\ndef test_one():\n    pytest.skip("there is no pgbouncer")\n')
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", str(tmp_path)]

    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert re.search(r"^SKIPPED .*test_one\.py:\d+: there is no pgbouncer$", told, re.MULTILINE)


def test_the_audit_runs_each_week_and_when_somebody_asks():
    workflow = yaml.safe_load(Path(".github/workflows/audit.yml").read_text())
    when = workflow[True]  # YAML reads the key `on` so

    assert set(when) == {"schedule", "workflow_dispatch"}
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", when["schedule"][0]["cron"])


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


def test_one_job_may_write_and_only_on_the_pull_request():
    jobs = {(path.stem, name): job for path in WORKFLOWS for name, job in yaml.safe_load(path.read_text())["jobs"].items()}

    assert {name: job["permissions"] for name, job in jobs.items() if "permissions" in job} == {
        ("diff", "diff"): {"contents": "read", "pull-requests": "write"}
    }


@pytest.mark.parametrize("path", WORKFLOWS, ids=str)
def test_code_of_a_fork_meets_no_secret_and_no_token_that_may_write(path):
    text = path.read_text()

    assert "pull_request_target" not in text
    assert "secrets." not in text
    assert [step["name"] for step in steps(path) if "GH_TOKEN" in step.get("env", {})] in (
        [],
        ["Say it on the pull request"],
    )
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=str)
def test_what_a_stranger_names_reaches_a_script_through_its_environment_alone(path):
    assert [step["run"] for step in steps(path) if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=str)
def test_a_workflow_passes_its_published_schema(path):
    done = held_to_schema(path)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("word", "other"), [("runs-on:", "runs:"), ("contents: read", "contents: look"), ("steps:", "step:")]
)
def test_the_schema_refuses_a_broken_workflow(tmp_path, word, other):
    broken = tmp_path / "broken.yml"
    broken.write_text(WORKFLOWS[0].read_text().replace(word, other))

    assert held_to_schema(broken).returncode == 1


def test_the_report_compares_all_history_with_what_was_reproduced_and_fails_with_it():
    path = Path(".github/workflows/diff.yml")
    names = [step.get("run") or step["uses"].partition("@")[0] for step in steps(path)]
    (compare,) = (step for step in steps(path) if step.get("id") == "compare")

    assert steps(path)[0]["with"]["fetch-depth"] == 0
    assert names.index("actions/cache/restore") < names.index("make repro") < names.index(compare["run"])
    assert compare["shell"] == "bash"  # of GitHub's shells, the one with pipefail
    assert "continue-on-error" not in path.read_text()


GH = """#!/bin/sh
echo "$@" >> "$CALLS"
case "$*" in *--paginate*) cat "$KNOWN" ;; esac
exit "${GH_STATUS:-0}"
"""


@pytest.mark.parametrize(
    ("comparison", "known", "status", "body", "last"),
    [
        ("**The change passes**", "", "0", "**The change passes**", "--method POST repos/o/r/issues/7/comments"),
        ("**The change fails**", "41\n42", "0", "**The change fails**", "--method PATCH repos/o/r/issues/comments/41"),
        (None, "41", "0", "**Not judged**: the commit could not be reproduced", "--method PATCH"),
        ("**The change passes**", "", "1", "**The change passes**", "--paginate repos/o/r/issues/7/comments"),
    ],
    ids=["first", "again", "not reproduced", "a fork's token"],
)
def test_the_comparison_on_a_pull_request_is_one_comment_that_is_never_of_an_older_commit(
    tmp_path, comparison, known, status, body, last
):
    (step,) = (step for step in steps(Path(".github/workflows/diff.yml")) if "GH_TOKEN" in step.get("env", {}))
    (tmp_path / "gh").write_text(GH)
    (tmp_path / "gh").chmod(0o755)
    (tmp_path / "known").write_text(known)
    if comparison:
        (tmp_path / "change.md").write_text(comparison)
    told = {
        "GH_REPO": "o/r",
        "PULL_REQUEST": "7",
        "HEAD": "abc123",
        "RUN": "https://forge/run/1",
        "RUNNER_TEMP": str(tmp_path),
    }
    faked = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls"), "KNOWN": str(tmp_path / "known")}

    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step["run"]],
        env={**told, **faked, "GH_STATUS": status}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    comment = (tmp_path / "comment.md").read_text()

    assert done.returncode == 0, done.stderr
    assert ("::notice::The token of this run may not comment" in done.stdout) == (status == "1")
    assert comment.startswith(
        "<!-- ontime: what the change does -->\n\nOf abc123, by [this run](https://forge/run/1).\n" + body
    )
    assert last in (tmp_path / "calls").read_text().splitlines()[-1]


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

    for tool in ("ruff format --check", "ruff check", "python -m pipeline.params.compose --check"):
        assert any(tool in entry for entry in entries)
        assert tool in MAKEFILE
