"""Calls `docker compose` on the containers of docker-compose.yml."""

import json
import os
import subprocess
from dataclasses import dataclass
from typing import Any

from pipeline.support.errors import OntimeError
from pipeline.versioning import git


class DockerUnavailable(OntimeError):
    """No Docker engine with compose v2 answers."""


@dataclass(frozen=True)
class Project:
    """A compose project: its name, those of its volumes that exist, and the folders whose containers it has."""

    name: str
    volumes: list[str]
    folders: set[str]


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


def project(core: bool) -> Project:
    """What there is of this folder's project; raises DockerUnavailable if docker-compose.yml cannot be read."""
    read = compose(core, "config", "--format", "json", stdout=subprocess.PIPE)
    if read.returncode:
        raise DockerUnavailable("`docker compose config` failed; it says why above. Correct docker-compose.yml or .env.")
    config = json.loads(read.stdout)
    declared = {volume["name"] for volume in config["volumes"].values()}
    existing = docker("volume", "ls", "--quiet", stdout=subprocess.PIPE).stdout.split()
    label = "com.docker.compose.project"
    form = f'{{{{.Label "{label}.working_dir"}}}}'
    owners = docker("ps", "--all", "--filter", f"label={label}={config['name']}", "--format", form, stdout=subprocess.PIPE)
    return Project(config["name"], sorted(declared.intersection(existing)), set(owners.stdout.splitlines()))


def compose(core: bool, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """What `docker compose WORDS` did with the core or the whole system, with GIT_COMMIT, which the images carry."""
    environment = {**os.environ, "GIT_COMMIT": git.output("rev-parse", "HEAD") or ""}
    return docker("compose", "--profile", "core" if core else "monitoring", *words, env=environment, **options)
