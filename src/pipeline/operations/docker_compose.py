"""Calls `docker compose` on the containers of docker-compose.yml."""

import os
import subprocess
from typing import Any

from pipeline.support.errors import OntimeError
from pipeline.versioning import git


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


def compose(core: bool, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """What `docker compose WORDS` did with the core or the whole system, with GIT_COMMIT, which the images carry."""
    environment = {**os.environ, "GIT_COMMIT": git.output("rev-parse", "HEAD") or ""}
    return docker("compose", "--profile", "core" if core else "monitoring", *words, env=environment, **options)
