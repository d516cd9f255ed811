"""Calls `docker compose` on the containers of docker-compose.yml."""

import os
import subprocess
from typing import Any

from pipeline.support.errors import OntimeError
from pipeline.versioning import git

EXEC = ("exec", "-T")  # a command inside a running container, without a terminal


class DockerUnavailable(OntimeError):
    """No Docker engine with compose v2 answers."""


def require() -> None:
    """Raises DockerUnavailable unless an engine and compose v2 answer."""
    if any(docker(*words, capture_output=True).returncode for words in (("info",), ("compose", "version"))):
        raise DockerUnavailable("The containers need Docker with compose v2; it does not answer here. Install or start it.")


def docker(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """What `docker WORDS` did; where it is not installed, a failure. The options are those of subprocess.run."""
    command = ["docker", *words]
    try:
        return subprocess.run(command, check=False, encoding="utf-8", errors="replace", **options)
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, git.NOT_INSTALLED, "docker is not installed", "")


def running() -> set[str]:
    """The services with a running container; none where Docker does not answer."""
    done = docker("compose", "ps", "--services", "--status", "running", stdout=subprocess.PIPE)
    return set() if done.returncode else set(done.stdout.split())


def replicas(service: str) -> int:
    """How many containers of a service there are."""
    return len(docker("compose", "ps", "--quiet", service, stdout=subprocess.PIPE).stdout.split())


def build(core: bool) -> bool:
    """Whether the images could be built."""
    return _with_commit(core, "build", "--quiet").returncode == 0


def up(core: bool, prediction_replicas: int | None = None) -> bool:
    """Whether all containers are healthy; with a number of replicas, each container is made anew."""
    anew = ("--force-recreate", "--scale", f"prediction-api={prediction_replicas}") if prediction_replicas else ()
    return _with_commit(core, "up", "--detach", "--build", "--wait", *anew).returncode == 0


def show_last_lines(core: bool) -> None:
    """Prints on standard error what each container said last."""
    docker("compose", *_profile(core), "logs", "--no-color", "--tail", "4", stdout=2)


def _with_commit(core: bool, *words: str) -> subprocess.CompletedProcess[str]:
    """Compose with GIT_COMMIT, which the images carry."""
    environment = {**os.environ, "GIT_COMMIT": git.output("rev-parse", "HEAD") or ""}
    return docker("compose", *_profile(core), *words, env=environment)


def _profile(core: bool) -> tuple[str, str]:
    return "--profile", "core" if core else "monitoring"
