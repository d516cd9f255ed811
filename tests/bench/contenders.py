"""The servers that are timed with the same graph: the prediction service, and others as their pages recommend for speed.

Each server of others runs in an environment of its own, made in .cache/peers at the first use, from pinned packages.
"""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import flight_requests
import mlflow.onnx
import onnx
from flight_requests import MODEL, Flights, Request
from servers import ROOT, console, free_port

SERVERS, ENVIRONMENTS = Path(__file__).parent / "peer_servers", ROOT / ".cache/peers"
OURS = "prediction service"


@dataclass(frozen=True)
class Contender:
    """A server to be timed: its command for a port, the path that answers once it is ready, and what it is asked."""

    name: str
    command: Callable[[int], Sequence[str]]
    ready: str
    requests: Callable[[Flights], dict[str, Request]]
    environment: Callable[[int], dict[str, str]]


def environment(name: str) -> Path:
    """The folder of programs of an environment with the packages of a server; makes it if need be."""
    lock = SERVERS / f"{name}.txt"
    folder = ENVIRONMENTS / f"{name}-{sha256(lock.read_bytes()).hexdigest()[:12]}-{platform.python_version()}"
    if not folder.exists():
        console.print(f"making {folder.relative_to(ROOT)}")
        making = folder.with_suffix(".making")
        shutil.rmtree(making, ignore_errors=True)
        subprocess.run(["uv", "venv", "--quiet", "--relocatable", "--python", sys.executable, str(making)], check=True)
        python = str(making / "bin/python")
        subprocess.run(["uv", "pip", "install", "--quiet", "--python", python, "-r", str(lock)], check=True)
        making.rename(folder)
    return folder / "bin"


def contenders(folder: Path) -> list[Contender]:
    """The prediction service with its defaults, and the servers of others."""
    graph = {"MODEL": str(MODEL), "PYTHONPATH": str(SERVERS)}
    workers = str(os.cpu_count() or 1)
    lit, bento, mlserver = (environment(name) for name in ("litserve", "bentoml", "mlserver"))
    (home := folder / "mlserver").mkdir()
    return [
        Contender(
            OURS,
            lambda _: [sys.executable, "-m", "prediction_api"],
            "/readyz",
            flight_requests.of_service,
            lambda port: {
                "PYTHONPATH": "src:serving",
                "MODEL_URI": str(MODEL),
                "PREDICTION_API_PORT": str(port),
                "OUTBOX_DIR": str(folder / "outbox"),
                "OUTBOX_MAX_BYTES": str(2**36),  # room for the whole run
            },
        ),
        Contender(
            "LitServe",
            lambda port: [str(lit / "python"), str(SERVERS / "litserve_server.py"), str(port)],
            "/health",
            flight_requests.of_litserve,
            lambda _: graph,
        ),
        Contender(
            "BentoML",
            lambda port: [
                *(str(bento / "python"), "-m", "bentoml", "serve", "bentoml_service:Flights"),
                *("--host", "127.0.0.1", "--port", str(port), "--working-dir", str(SERVERS)),
            ],
            "/readyz",
            flight_requests.of_bentoml,
            lambda _: {**graph, "BENTOML_HOME": str(folder / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"},
        ),
        Contender(
            "MLServer",
            lambda _: [str(mlserver / "mlserver"), "start", str(home)],
            "/v2/models/flights/ready",
            flight_requests.of_mlserver,
            lambda port: {
                **graph,
                "MLSERVER_HOST": "127.0.0.1",
                "MLSERVER_HTTP_PORT": str(port),
                "MLSERVER_GRPC_PORT": str(free_port()),
                "MLSERVER_METRICS_PORT": str(free_port()),
                "MLSERVER_PARALLEL_WORKERS": "0",  # with a pool of workers 1.7.1 ended at its start here
                "MLSERVER_DEBUG": "false",
                "MLSERVER_MODEL_NAME": "flights",
                "MLSERVER_MODEL_IMPLEMENTATION": "mlserver_runtime.Flights",
            },
        ),
        Contender(
            "mlflow models serve",
            lambda port: [
                *("mlflow", "models", "serve", "--model-uri", str(folder / "mlflow"), "--env-manager", "local"),
                *("--host", "127.0.0.1", "--port", str(port), "--workers", workers),
            ],
            "/ping",
            flight_requests.of_mlflow,
            lambda _: {"MLFLOW_DISABLE_TELEMETRY": "true"},
        ),
    ]


def save_for_mlflow(flights: Flights, folder: Path) -> None:
    """The graph as a model of MLflow."""
    texts = {"categories": flights.arrays["categories"].astype(str)}
    signature = mlflow.models.infer_signature({**flights.arrays, **texts})
    mlflow.onnx.save_model(onnx.load(MODEL / "model.onnx"), folder, signature=signature, pip_requirements=[])
