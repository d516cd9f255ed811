"""Builds and starts all containers, and waits until they are healthy.

python -m pipeline.operations.up           the whole system
python -m pipeline.operations.up --core    without the monitoring
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pipeline.config.paths import MODEL
from pipeline.modeling import artifact
from pipeline.operations import docker_compose, secret_files
from pipeline.support import console
from pipeline.support.errors import OntimeError

READ_BY_CONTAINERS = (str(secret_files.DEVELOPMENT), "monitoring", str(MODEL))
PORTS = {
    "PREDICTION_API": 8000, "DATA_API": 8001, "BOARD": 8002, "GRAFANA": 3000, "PROMETHEUS": 9090, "MLFLOW": 5000,
    "UPTIME_KUMA": 3001, "ALERTMANAGER": 9093,
}  # fmt: skip
ADDRESSES = (
    "board http://127.0.0.1:{BOARD}   predictions http://127.0.0.1:{PREDICTION_API}/docs   "
    "data http://127.0.0.1:{DATA_API}/docs"
)
MONITORING = (
    "Grafana :{GRAFANA}   Prometheus :{PROMETHEUS}   MLflow :{MLFLOW} (choose Model training)   "
    "Uptime Kuma :{UPTIME_KUMA}/status/ontime   "
    "Alertmanager :{ALERTMANAGER}"
)


class ContainersFailed(OntimeError):
    """Not all containers became healthy."""


class ProjectTaken(OntimeError):
    """Containers of another folder have the same project name."""


def main() -> None:
    """Starts them, unless production would start on weak secrets."""
    parser = console.parser(__spec__, __doc__)
    parser.add_argument("--core", action="store_true", help="without the monitoring")
    core = parser.parse_args().core
    secret_files.check_production(os.environ, core)
    start(core)


def start(core: bool, replicas: Mapping[str, int] | None = None) -> None:
    """Starts the containers and says where they answer; with numbers of replicas by service, each container is made anew.

    Raises DockerUnavailable or ContainersFailed.
    """
    docker_compose.require()
    console.say(volumes(docker_compose.project(core)))
    _let_containers_read()
    if not (MODEL / artifact.METADATA).is_file():
        console.say("There is no model yet: the pipeline makes one first, for some minutes (make logs SERVICE=pipeline).")
    scales = [word for service, number in (replicas or {}).items() for word in ("--scale", f"{service}={number}")]
    anew = ["--force-recreate", *scales] if scales else []
    if docker_compose.compose(core, "up", "--detach", "--build", "--wait", *anew).returncode:
        docker_compose.compose(core, "logs", "--no-color", "--tail", "4", stdout=2)
        raise ContainersFailed(
            "Not all containers came up; above is what each said last. A port that is taken has a setting in .env.example; "
            "CORE=1 leaves the monitoring out."
        )
    console.answer(addresses(os.environ, core))
    if not os.environ.get("SECRETS"):
        console.say("Secrets of development are in use, for this machine alone; `make secrets` writes others.")


def volumes(project: docker_compose.Project) -> str:
    """Which data the containers go on with; raises ProjectTaken if containers of another folder have the project's name."""
    if other := project.folders - {str(Path.cwd())}:
        raise ProjectTaken(
            f"The compose project {project.name} has containers of {', '.join(sorted(other))}; started from here, they and "
            "their data would be taken over. Write a name of your own into .env, such as COMPOSE_PROJECT_NAME=ontime2."
        )
    if not project.volumes:
        return f"Compose project {project.name}: it has no volumes yet and begins with an empty database."
    return f"Compose project {project.name}: it goes on with the volumes {', '.join(project.volumes)}."


def addresses(environment: Mapping[str, str], core: bool) -> str:
    """Where the containers answer on this machine."""
    ports = {name: environment.get(f"{name}_PORT") or port for name, port in PORTS.items()}
    return (ADDRESSES if core else f"{ADDRESSES}\n{MONITORING}").format(**ports)


def _let_containers_read() -> None:
    """Lets every user read what containers read as other users: the umask may have closed it."""
    subprocess.run(["chmod", "-R", "a+rX", *READ_BY_CONTAINERS], check=False, stderr=subprocess.DEVNULL)
    subprocess.run(["chmod", "a+rX", str(MODEL.parent)], check=False)


if __name__ == "__main__":
    console.run(main)
