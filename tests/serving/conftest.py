"""A model small enough to reason about, a service on it, and a server process that can be killed."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import onnx
import pytest
from onnx import TensorProto, helper
from starlette.testclient import TestClient

import warm_process
from ports import free_port
from prediction_api.app import create_app
from prediction_api.settings import Settings
from warm_process import WarmProcess

PACKAGES = os.pathsep.join(str(Path(__file__).parents[2] / folder) for folder in ("src", "serving"))
COLUMNS = [
    {
        "name": "departs", "kind": "datetime", "description": "When it leaves", "unit": None,
        "available_from": "in the timetable",
        "required": True, "nullable": False, "minimum": None, "maximum": None, "example": "2013-05-19T14:15:00",
        "seen": {"minimum": "2013-01-01T05:15:00", "maximum": "2013-09-30T23:59:00"},
    },
    {
        "name": "carrier", "kind": "category", "description": "Airline", "unit": None,
        "available_from": "in the timetable",
        "required": True, "nullable": True, "minimum": None, "maximum": None, "example": "UA", "categories": None,
        "seen": {"categories": ["AA", "UA"]},
    },
    {
        "name": "season", "kind": "category", "description": "Season", "unit": None,
        "available_from": "always", "required": False,
        "nullable": True, "minimum": None, "maximum": None, "example": "summer", "categories": ["summer", "winter"],
        "seen": {"categories": ["summer", "winter"]},
    },
    {
        "name": "distance", "kind": "number", "description": "Way to go", "unit": "miles",
        "available_from": "in the timetable",
        "required": True, "nullable": False, "minimum": 10.0, "maximum": 6000.0, "example": 800.0,
        "seen": {"minimum": 80.0, "maximum": 4983.0},
    },
    {
        "name": "delay", "kind": "number", "description": "Delay so far", "unit": "minutes",
        "available_from": "departures observed",
        "required": True, "nullable": True, "minimum": None, "maximum": None, "example": 2.5,
        "seen": {"minimum": -20.0, "maximum": 300.0},
    },
]  # fmt: skip
TYPICAL = {"departs": "2013-05-19T14:15:00", "carrier": "UA", "season": None, "distance": 700.0, "delay": -2.0}
TOPICS = {"departs": "timetable", "carrier": "carrier", "season": "season", "distance": "route", "delay": "delays"}
RECORD = {"departs": "2013-05-19T14:15:00", "carrier": "UA", "season": "summer", "distance": 800.0, "delay": 2.5}


def with_topics(topics: dict[str, str] = TOPICS) -> list[dict[str, Any]]:
    """The columns of the tiny model with these topics, and with typical values."""
    return [{**column, "topic": topics[column["name"]], "typical": TYPICAL[column["name"]]} for column in COLUMNS]


def graph(bias: float = 0.0) -> bytes:
    """probability = sigmoid(bias + distance / 1000 + (delay or 0) / 100 + 1 if carrier is AA), from the packed inputs."""
    inputs = [
        helper.make_tensor_value_info("numbers", TensorProto.FLOAT, [None, 2]),
        helper.make_tensor_value_info("categories", TensorProto.STRING, [None, 2]),
        helper.make_tensor_value_info("datetimes", TensorProto.DOUBLE, [None, 1]),
    ]
    constants = [
        helper.make_tensor("weights", TensorProto.FLOAT, [2], [0.001, 0.01]),
        helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
        helper.make_tensor("bias", TensorProto.FLOAT, [], [bias]),
        helper.make_tensor("first", TensorProto.INT64, [], [0]),
        helper.make_tensor("row", TensorProto.INT64, [1], [1]),
    ]
    nodes = [
        helper.make_node("IsNaN", ["numbers"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "numbers"], ["known"]),
        helper.make_node("Mul", ["known", "weights"], ["weighed"]),
        helper.make_node("ReduceSum", ["weighed", "row"], ["sum"], keepdims=0),
        helper.make_node("Gather", ["categories", "first"], ["carrier"], axis=1),
        helper.make_node(
            "LabelEncoder",
            ["carrier"],
            ["code"],
            domain="ai.onnx.ml",
            keys_strings=["AA"],
            values_floats=[1.0],
            default_float=0.0,
        ),
        helper.make_node("Add", ["sum", "code"], ["with_carrier"]),
        helper.make_node("Add", ["with_carrier", "bias"], ["score"]),
        helper.make_node("Sigmoid", ["score"], ["single"]),
        helper.make_node("Cast", ["single"], ["probability"], to=TensorProto.DOUBLE),
    ]
    outputs = [helper.make_tensor_value_info("probability", TensorProto.DOUBLE, [None])]
    built = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(built, opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def write_model(
    folder: Path,
    bias: float = 0.0,
    columns: list[dict[str, Any]] = COLUMNS,
    probability: dict[str, Any] | None = None,
    source: dict[str, Any] | None = None,
    **metadata: Any,
) -> Path:
    """Writes a tiny model directory: its bias (0 gives 0.69 for RECORD), its columns, and changes of metadata.json."""
    folder.mkdir(parents=True, exist_ok=True)
    schema = {"name": "tiny", "target": {"name": "late", "description": "Arrives late", "rate": 0.25}, "rows": 100}
    more = {name: content for name, content in (("probability", probability), ("source", source)) if content}
    content = {"model.onnx": graph(bias), "schema.json": json.dumps({**schema, "columns": columns, **more}).encode()}
    whole = {
        "name": "tiny", "threshold": 0.5, "question": {"late_minutes": 15}, "parameters": {"model": {"name": "hgb"}},
        "versions": {"onnx": onnx.__version__}, "data": {"train.parquet": "0" * 64}, "metrics": {"roc_auc": 0.77},
        "sha256": {name: hashlib.sha256(found).hexdigest() for name, found in content.items()},
        **metadata,
    }  # fmt: skip
    for name, found in {**content, "metadata.json": json.dumps(whole).encode()}.items():
        (folder / name).write_bytes(found)
    return folder


@pytest.fixture
def make_model(tmp_path: Path) -> Callable[..., Path]:
    """`write_model` into the test's folder where no other is given."""
    return lambda folder=None, **content: write_model(folder or tmp_path / "model", **content)


@pytest.fixture
def record() -> dict[str, Any]:
    """A record that the tiny model takes; a test may change it."""
    return dict(RECORD)


@pytest.fixture
def make_settings(tmp_path: Path, make_model: Callable[..., Path]) -> Callable[..., Settings]:
    """Settings of a service on the tiny model, with its outbox in the test's folder, and with changes."""

    def make(**changes: Any) -> Settings:
        if "model_uri" not in changes:
            changes["model_uri"] = str(make_model())
        return Settings(**{"outbox_dir": tmp_path / "outbox", "model_poll_seconds": 0, "access_log": False, **changes})

    return make


@pytest.fixture
def client_of(make_settings: Callable[..., Settings]) -> Iterator[Callable[..., TestClient]]:
    """A function from settings to a client of an app with them, closed in the end."""
    opened = []

    def start(**settings):
        client = TestClient(create_app(make_settings(**settings)))
        opened.append(client)
        return client.__enter__()

    yield start
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    """The folder in which the app of a test keeps its predictions."""
    return tmp_path / "outbox"


@dataclass
class Server:
    """A server process: where it answers, and the process to stop or kill."""

    url: str
    process: subprocess.Popen[bytes] | WarmProcess
    log: Path

    def kill(self) -> None:
        """Ends it as the kernel does when memory is short."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds: float = 60) -> int:
        """Asks it to end and gives its exit status."""
        self.process.terminate()
        return self.process.wait(seconds)


@pytest.fixture
def make_server(tmp_path: Path, make_model: Callable[..., Path]) -> Iterator[Callable[..., Server]]:
    """Starts `python -m prediction_api` with settings from the environment, and waits until it is ready."""
    started: list[Server] = []

    def make(ready: bool = True, **environment: Any) -> Server:
        port = environment.pop("PREDICTION_API_PORT", None) or free_port()
        if "MODEL_URI" not in environment:
            environment["MODEL_URI"] = make_model()
        given = {"OUTBOX_DIR": tmp_path / "outbox", "MODEL_POLL_SECONDS": 0, "ACCESS_LOG": "false", **environment}
        log = tmp_path / f"server-{len(started)}.log"
        with log.open("wb") as file:
            settings = {name: str(value) for name, value in given.items()}
            own = {**os.environ, "PYTHONPATH": PACKAGES, "PREDICTION_API_PORT": str(port), **settings}
            process = warm_process.start("prediction_api", own, file, tmp_path)
        server = Server(f"http://127.0.0.1:{port}", process, log)
        started.append(server)
        if ready:
            wait_until_ready(server)
        return server

    yield make
    for server in started:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture
def small_disk() -> Callable[[Path, str], AbstractContextManager[None]]:
    """Mounts a disk of its own at a folder, of a size such as 64k."""

    @contextmanager
    def mounted(folder: Path, size: str) -> Iterator[None]:
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode != 0:
            pytest.skip("only root may mount a disk: what happens on one that is full was not tried")
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)

    return mounted


def wait_until_ready(server: Server, seconds: float = 60) -> None:
    """Returns once /readyz answers 200; fails with the server's log where it ends or never does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with _nothing_listens():
            if httpx.get(f"{server.url}/readyz").status_code == 200:
                return
        if server.process.poll() is not None:
            break
        time.sleep(0.02)
    pytest.fail(f"the server is not ready: {server.log.read_text()}")


@contextmanager
def _nothing_listens() -> Iterator[None]:
    with suppress(httpx.TransportError):
        yield
