"""A folder as the operations need it, with a stand-in for `docker` on the PATH."""

import os
import sys
from pathlib import Path

import pytest

from pipeline.operations import secrets
from pipeline.operations.secret_files import DEVELOPMENT, FILES

DOCKER = r"""#!/bin/sh
printf '%s\n' "$*" >> "$DOCKER/calls"
case "$*" in
  $(cat "$DOCKER/fails")) echo "it does not work"; exit 1 ;;
  *" config "*) echo '{"name": "flights", "volumes": {"postgres": {"name": "flights_postgres"}}}' ;;
  "volume ls "*) cat "$DOCKER/volumes" ;;
  "ps "*) cat "$DOCKER/folders" ;;
  *" ps --services "*) cat "$DOCKER/running" ;;
  *" ps --quiet "*) cat "$DOCKER/replicas" ;;
  *reset-password.js) echo "uptime-kuma $(cat)" >> "$DOCKER/given"; echo "Password reset successfully." ;;
  *" exec "*) echo "$4 $(cat)" >> "$DOCKER/given" ;;
  *" build "* | *" up "*) echo "$GIT_COMMIT" >> "$DOCKER/commits" ;;
esac
"""


class Docker:
    """What the stand-in was called with and given to read, and how it answers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        (folder / "docker").write_text(DOCKER)
        (folder / "docker").chmod(0o755)
        self.fails("nothing")
        self.runs("postgres", "data-api", "prediction-api")
        self.has()

    def fails(self, pattern: str) -> None:
        """Calls that match the shell's pattern fail from now on."""
        (self._folder / "fails").write_text(pattern)

    def has(self, *volumes: str, folder: str = "") -> None:
        """These volumes exist, and containers of this folder."""
        (self._folder / "volumes").write_text("".join(f"{name}\n" for name in volumes))
        (self._folder / "folders").write_text(f"{folder}\n" if folder else "")

    def runs(self, *services: str, replicas: int = 1) -> None:
        """These services have a running container."""
        (self._folder / "running").write_text("".join(f"{name}\n" for name in services))
        (self._folder / "replicas").write_text("id\n" * replicas)

    def noted(self, name: str) -> list[str]:
        """The lines of `calls`, of what was `given` to commands in containers, or of `commits` that images carry."""
        path = self._folder / name
        return path.read_text().splitlines() if path.exists() else []

    def changes(self) -> list[str]:
        """The calls that change something."""
        return [call for call in self.noted("calls") if {"build", "up", "exec"} & set(call.split())]


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """The stand-in; the tests run in a new folder with the secrets of development and without settings."""
    development = {path.name: path.read_text() for path in DEVELOPMENT.iterdir()}
    made = Docker(tmp_path / "docker")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["command"])
    for folder in (DEVELOPMENT, Path("data/model"), Path("db")):
        folder.mkdir(parents=True)
    for name, text in development.items():
        (DEVELOPMENT / name).write_text(text)
    Path("db/rotate.sql").write_text("ALTER ROLE\n")
    for name in ("SECRETS", "ENVIRONMENT", "FIRST_ADMIN", "GRAFANA_PORT", "DATA_API_PORT", "PREDICTION_API_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER", str(tmp_path / "docker"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'docker'}:{os.environ['PATH']}")
    return made


@pytest.fixture
def own(docker, monkeypatch):
    """A folder of strong secrets that SECRETS names; passwords of every kind of character."""
    monkeypatch.setenv("SECRETS", "own")
    secrets.write(Path("own"))
    for name in FILES:
        if name.endswith("_password"):
            (Path("own") / name).write_text(f"{name} $HOME # `1` 'é'\n")
    return Path("own")
