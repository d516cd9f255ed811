"""The containers of docker-compose.yml, started from a clone under a project of their own, on free ports."""

import json
import os
import signal
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import httpx

import clones
import containers
from ports import free_port

PORTS = ("PREDICTION_API", "DATA_API", "BOARD", "MLFLOW", "PROMETHEUS", "ALERTMANAGER", "GRAFANA", "UPTIME_KUMA")
HEALED_SECONDS = 120


def engine() -> bool:
    """Whether a Docker engine answers, with compose."""
    compose = ["docker", "compose", "version"]
    return containers.engine() and subprocess.run(compose, capture_output=True, check=False).returncode == 0


class Stack:
    """What `docker compose` does in a clone of this repository."""

    def __init__(self, clone: Path, **settings: str) -> None:
        self.clone, self.project = clone, f"ontime-test-{uuid.uuid4().hex[:8]}"
        self.port = {name: free_port() for name in PORTS}
        ports = {f"{name}_PORT": str(port) for name, port in self.port.items()}
        self.environment = clones.environment(clone.parent, COMPOSE_PROJECT_NAME=self.project, **ports, **settings)

    def url(self, name: str) -> str:
        """Where a published service answers."""
        return f"http://127.0.0.1:{self.port[name]}"

    def compose(self, *words: str, status: int = 0) -> str:
        """What a compose command prints, which should end with this status."""
        return self.run("docker", "compose", *words, status=status)

    def run(self, *command: str, status: int = 0, **more: str) -> str:
        """What a command in the clone prints, which should end with this status."""
        done = subprocess.run(
            command, cwd=self.clone, env={**self.environment, **more}, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, (
            f"{' '.join(command)}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        )
        return done.stdout + done.stderr

    def containers(self) -> list[dict[str, Any]]:
        """All containers, those too that have ended: Service, ID, State, Health, ExitCode."""
        return [
            json.loads(line) for line in self.compose("ps", "--all", "--format", "json").splitlines() if line.startswith("{")
        ]

    def process(self, container: str) -> int:
        """The process of a container on this machine, 0 while it has none."""
        return int(self.run("docker", "inspect", "--format", "{{.State.Pid}}", container))

    def kill(self, container: str) -> None:
        """Ends its process without a word. `docker kill` would be an order, after which nothing starts again."""
        os.kill(self.process(container), signal.SIGKILL)

    def healed(self, container: str, before: int) -> bool:
        """Whether a container runs again in another process, and is healthy if it says anything about that."""
        state = json.loads(self.run("docker", "inspect", "--format", "{{json .State}}", container))
        health = state.get("Health", {}).get("Status", "healthy")
        return state["Running"] and state["Pid"] not in {0, before} and health == "healthy"

    def query(self, text: str) -> list[dict[str, Any]]:
        """What Prometheus finds now."""
        answer = httpx.get(f"{self.url('PROMETHEUS')}/api/v1/query", params={"query": text}, timeout=20)
        return answer.raise_for_status().json()["data"]["result"]

    def close(self) -> None:
        """Removes containers, networks and volumes."""
        self.compose("--profile", "monitoring", "down", "--volumes", "--timeout", "5", "--remove-orphans")


def until(seconds: float, true: Any, wanted: str) -> None:
    """Waits until something is true; an error on the way counts as not yet."""
    end = time.monotonic() + seconds
    while True:
        try:
            if true():
                return
            why = ""
        except (httpx.HTTPError, OSError, KeyError) as error:
            why = repr(error)
        assert time.monotonic() < end, f"{wanted}: not after {seconds} s {why}"
        time.sleep(1)
