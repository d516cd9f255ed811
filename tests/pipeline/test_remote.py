"""A team shares data, models and experiments through a folder, by the commands of data/README.md."""

import hashlib
import json
import re
import shlex
from pathlib import Path

import mlflow
import pytest

import in_process
from clones import git
from penguins import environment, run

PAGE = Path("data/README.md").read_text().partition("\n## Real data")[0]  # test_send_events.py types the rest
BLOCKS = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = [shlex.split(line) for line in BLOCKS.splitlines() if line]
VERSION = "v0.1.0"


@pytest.fixture(scope="module")
def team(project):
    """Addresses: a bare git repository, and the folder that all can reach."""
    git("init", "--quiet", "--bare", str(project.parent / "repository.git"))
    run(project, "git", "remote", "add", "origin", str(project.parent / "repository.git"))
    run(project, "git", "push", "--quiet", "--set-upstream", "origin", "HEAD")
    (project.parent / "team").mkdir()
    return {"REPOSITORY": str(project.parent / "repository.git"), "/mnt/team/ontime": str(project.parent / "team")}


@pytest.fixture(scope="module")
def follow(team):
    """A function that types the page's commands with these first words in a folder, and these names filled in."""

    def type_in(folder, *words, **names):
        whole = [command for command in COMMANDS if command == list(words)]
        chosen = whole or [command for command in COMMANDS if command[: len(words)] == list(words)]
        assert chosen, f"data/README.md has no {' '.join(words)}"
        known = {**team, **names}
        return [run(folder, *(known.get(word, word) for word in command)) for command in chosen]

    return type_in


@pytest.fixture(scope="module")
def shared(project, follow):
    """The repository after its owner shared it, with a version of the model."""
    for words in (("dvc", "remote", "add"), ("git", "commit"), ("dvc", "push"), ("gto", "register")):
        follow(project, *words)
    follow(project, "git", "push", "origin", f"ontime@{VERSION}")
    follow(project, "git", "push")
    return project


@pytest.fixture(scope="module")
def colleague(shared, team):
    """Another clone, with an empty cache."""
    clone = shared.parent / "colleague" / "clone"
    clone.parent.mkdir()
    git("clone", "--quiet", team["REPOSITORY"], str(clone))
    git("config", "user.name", "colleague", at=clone)
    git("config", "user.email", "colleague@example.org", at=clone)
    return clone


def digests(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_pull_brings_every_output_and_leaves_nothing_to_say(shared, colleague, follow):
    assert not (colleague / "data/model").exists()

    follow(colleague, "git", "pull")
    follow(colleague, "dvc", "pull")

    for name in ("raw", "processed", "model"):
        assert digests(colleague / "data" / name) == digests(shared / "data" / name)
    assert run(colleague, "git", "status", "--porcelain") == ""
    assert json.loads(run(colleague, "dvc", "status", "--json")) == {}
    assert "Running stage" not in run(colleague, "dvc", "repro")


def test_an_experiment_travels_with_its_model_and_names_its_run_in_the_server_that_all_use(shared, colleague, follow):
    run(shared, "dvc", "exp", "run", "--name", "other-model", "-S", "model=logistic")
    model = digests(shared / "data/model")
    assert model != digests(colleague / "data/model")
    run(shared, "git", "restore", "--staged", "--worktree", ".")
    run(shared, "dvc", "checkout", "--quiet")
    follow(shared, "dvc", "exp", "push", NAME="other-model")

    follow(colleague, "dvc", "exp", "pull", NAME="other-model")
    server = f"sqlite:///{shared.parent / 'mlflow.db'}"
    settings = {**environment(colleague), "MLFLOW_TRACKING_URI": server}
    listed = in_process.run("experiments.sweep", "--list=HEAD", folder=colleague, environment=settings)
    follow(colleague, "dvc", "exp", "apply", NAME="other-model")

    (identity,) = re.findall(r"│ other-model .*│ ([0-9a-f]{32}) │", listed.stdout)
    assert mlflow.MlflowClient(server).get_run(identity).data.tags["DVC_EXP_NAME"] == "other-model"
    assert digests(colleague / "data/model") == model
    assert json.loads(run(colleague, "dvc", "status", "--json")) == {}


def test_a_named_version_of_the_model_is_fetched_without_a_clone(shared, team, follow):
    elsewhere = shared.parent / "elsewhere"
    for words in (("dvc", "artifacts", "get"), ("dvc", "get")):
        elsewhere.mkdir(parents=True)
        follow(elsewhere, *words)
        assert digests(elsewhere / "model") == digests(shared / "data/model")
        (elsewhere / "model").rename(shared.parent / f"model-{words[1]}")
        elsewhere.rmdir()


def test_versions_are_listed(shared, follow):
    (listed,) = follow(shared, "gto", "show")

    assert re.search(rf"ontime .*{VERSION}", listed)


def test_credentials_stay_out_of_git(shared, follow):
    follow(shared, "dvc", "remote", "modify", "--local", profile="url", NAME=str(shared.parent / "team"))

    assert (shared / ".dvc/config.local").is_file()
    assert run(shared, "git", "status", "--porcelain") == ""


def test_every_command_of_the_page_is_typed_here():
    source = Path(__file__).read_text()
    for command in COMMANDS:
        words = [word for word in command[:3] if not word.startswith("-")]
        typed = re.search(r'"' + r'",\s*"'.join(map(re.escape, words[:2])) + '"', source)
        assert typed or command[:2] == ["make", "experiments"], f"no test types {shlex.join(command)}"


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:[\w.-]+/)?[\w-]+\.(?:yaml|toml))`", PAGE))))
def test_a_file_that_the_page_names_exists(path):
    assert Path(path).is_file()


def test_the_page_is_in_git_between_what_dvc_writes():
    assert "data/README.md" in git("ls-files", "data").split()
