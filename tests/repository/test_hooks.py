"""The hooks of .pre-commit-config.yaml pass on this repository, and each stops what it is there for."""

import base64
import hashlib
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest
import yaml

from clones import ROOT, cloned, environment

TAKEN = (".pre-commit-config.yaml", "pyproject.toml", "params.yaml", "conf")
NOISE = base64.b64encode(hashlib.sha256(b"a token").digest()).decode()
# Put together here, so that this file holds none of them.
SECRETS = {
    "a key of AWS": f'KEY = "{"AKIA" + "IOSFODNN7" + "ABCDEFG"}"\n',
    "a private key": "-----BEGIN " + "RSA PRIVATE KEY-----\n",
    "a token without order": f'TOKEN = "{NOISE}"\n',
    "a password in an address": 'ADDRESS = "postgresql://ontime:' + 'hunter2@db/ontime"\n',
}


def notebook(*outputs):
    """The text of a notebook with one cell, which gave these outputs."""
    cell = nbformat.v4.new_code_cell("1", id="0", outputs=list(outputs))
    return nbformat.writes(nbformat.v4.new_notebook(cells=[cell])) + "\n"


@pytest.fixture
def hook(tmp_path):
    """A function that runs one hook on files in a repository with the settings of this one."""
    folder = tmp_path / "repository"
    folder.mkdir()
    for name in TAKEN:
        (shutil.copytree if Path(name).is_dir() else shutil.copy)(name, folder / name)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    settings = environment(tmp_path, PRE_COMMIT_HOME=str(tmp_path / "pre-commit"))
    subprocess.run(["git", "init", "--quiet"], cwd=folder, env=settings, check=True)

    def run(name, path, text):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
        subprocess.run(["git", "add", "--force", path], cwd=folder, env=settings, check=True)
        command = ["pre-commit", "run", name, "--files", path]
        return subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, check=False)

    return run


def test_all_hooks_pass_on_what_is_committed(tmp_path):
    clone = cloned(tmp_path / "clone")
    (clone / ".venv").symlink_to(ROOT / ".venv")
    settings = environment(tmp_path, PRE_COMMIT_HOME=str(tmp_path / "pre-commit"))
    command = ["pre-commit", "run", "--all-files"]
    done = subprocess.run(command, cwd=clone, env=settings, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert done.stdout.count("Passed") == len(
        yaml.safe_load(Path(".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    )


@pytest.mark.parametrize(
    ("name", "path", "clean", "faulty"),
    [
        ("format", "src/one.py", "x = 1\n", "x=1\n"),
        ("lint", "src/one.py", '"""One."""\n', '"""One."""\nimport os\n'),
        ("notebooks", "notebooks/01-one.ipynb", notebook(), notebook(nbformat.v4.new_output("stream", text="1"))),
        ("large-files", "data/table.csv", "1\n", "1\n" * 300_000),
        ("secrets", "src/one.py", '"""One."""\n\nDIGEST = sha256\n', SECRETS["a key of AWS"]),
    ],
)
def test_a_hook_stops_what_it_is_there_for_and_lets_the_rest_pass(hook, name, path, clean, faulty):
    assert hook(name, path, clean).returncode == 0
    stopped = hook(name, path, faulty)

    assert stopped.returncode == 1
    assert "Failed" in stopped.stdout
    assert path in stopped.stdout


def test_the_hook_of_params_stops_settings_that_conf_does_not_compose_to(hook):
    """It lets pass those that are committed, as the run of all hooks shows."""
    stopped = hook("params", "params.yaml", Path("params.yaml").read_text().replace("folds: 3", "folds: 4"))

    assert stopped.returncode == 1
    assert "train.folds: params.yaml has 4, conf/ has 3" in stopped.stdout


@pytest.mark.parametrize("secret", SECRETS)
def test_the_hook_of_secrets_finds(hook, secret):
    stopped = hook("secrets", "src/one.py", SECRETS[secret])

    assert stopped.returncode == 1
    assert "src/one.py:1" in stopped.stdout


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("conf/data/one.yaml", f"file: one.csv\nsha256: {'0123456789abcdef' * 4}\n"),
        ("README.md", "postgresql+psycopg://USER:PASSWORD@HOST/NAME\n"),
        ("src/one.py", SECRETS["a token without order"].rstrip() + "  # pragma: allowlist secret\n"),
    ],
)
def test_the_hook_of_secrets_lets_pass_what_only_looks_like_one(hook, path, text):
    assert hook("secrets", path, text).returncode == 0


def test_every_hook_is_shown_to_stop_something():
    hooks = {hook["id"] for hook in yaml.safe_load(Path(".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]}

    assert hooks == {"format", "lint", "notebooks", "params", "large-files", "secrets"}
