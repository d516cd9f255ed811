"""`make verify` passes where a commit gives its bytes again, in clones and here, and fails where it does not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import in_process
from clones import environment

STAGES = "stages:\n  make:\n    cmd: python make.py\n    deps: [make.py]\n    outs: [made]\n"
SAME, ANOTHER = (
    'open("made", "w").write("1")\n',
    'import os\nopen("made", "w").write(os.environ.get("PYTHONHASHSEED", ""))\n',
)


@pytest.fixture
def repository(tmp_path):
    """A function that makes a repository of one stage, reproduces and commits it, and removes what the stage made."""
    folder = tmp_path / "repository"

    def run(*command):
        if command[0] == "dvc":
            return in_process.run_dvc(*command[1:], folder=folder, environment=environment(tmp_path))
        return subprocess.run(command, cwd=folder, env=environment(tmp_path), capture_output=True, text=True, check=False)

    def make(code):
        (folder / "tests/repository").mkdir(parents=True)
        for name in ("clones.py", "locks.py", "verify.py"):
            shutil.copy(Path("tests/repository") / name, folder / "tests/repository")
        (folder / ".gitignore").write_text("__pycache__/\n")
        (folder / "dvc.yaml").write_text(STAGES)
        (folder / "make.py").write_text(code)
        for command in (
            ("git", "init", "--quiet"),
            ("dvc", "init", "--quiet"),
            ("dvc", "repro", "--quiet"),
            ("git", "add", "--all"),
            ("git", "-c", "user.name=tests", "-c", "user.email=tests@example.org", "commit", "--quiet", "--message", "One"),
        ):
            done = run(*command)
            assert done.returncode == 0, done.stdout + done.stderr
        (folder / "made").unlink()
        shutil.rmtree(folder / ".dvc/cache")
        return lambda *words: run(sys.executable, "tests/repository/verify.py", *words)

    return make


@pytest.mark.parametrize(
    ("words", "places"),
    [
        ([], ["one thread, hash seed 0", "another processor", "two threads, hash seed 1234"]),
        (["--here"], ["here, two threads, hash seed 1234", "another processor"]),
    ],
)
def test_a_commit_that_gives_its_bytes_again_passes(repository, words, places):
    done = repository(SAME)(*words)

    lines = [line.split("  ") for line in done.stdout.splitlines() if line.endswith(" s   same")]
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(line[1] for line in lines) == sorted([*places, "a second time, no stage to run"])


def test_a_stage_that_depends_on_the_hash_seed_fails(repository):
    done = repository(ANOTHER)("--here")

    assert done.returncode == 1
    assert "differs" in done.stdout
    assert "made" in done.stdout
