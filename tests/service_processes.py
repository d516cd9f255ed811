"""Both services and a small one of the kit, each in a process of its own, for tests of what all services do."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from ports import free_port
from serving.conftest import RECORD, write_model

MOST_FILES = 400
BUNDLE = "/swagger/swagger-ui-bundle.js"
TINY_SERVICE = Path(__file__).with_name("service_kit") / "tiny_service.py"
PATHS = os.pathsep.join(str(Path(__file__).parents[1] / folder) for folder in ("src", "serving", "db"))


@dataclass
class Server:
    """A service that runs, with its route that takes a body, how that answers, and a page that it shows."""

    process: subprocess.Popen[bytes]
    url: str
    path: str
    body: str
    status: int
    page: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def head(self) -> str:
        """The head of a request with a body, to which headers may be added."""
        return f"POST {self.path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"

    @property
    def request(self) -> str:
        return f"{self.head}content-length: {len(self.body)}\r\n\r\n{self.body}"

    def answers(self) -> bool:
        """Whether it answers a request with a body as it should."""
        headers = {"content-type": "application/json"}
        return httpx.post(self.url + self.path, content=self.body, headers=headers).status_code == self.status


ROUTES = {
    "echo": ("/echo", "{}", 200, "/echo"),
    "prediction_api": ("/predict", json.dumps(RECORD), 200, BUNDLE),
    "data_api": ("/predictions", "{}", 401, BUNDLE),
}


@contextmanager
def running(name: str, folder: Path, **settings: str) -> Iterator[Server]:
    """A service with small limits, which still answers after all that a test did to it."""
    port = free_port()
    own = {f"{name.upper()}_PORT": str(port), "KEEP_ALIVE_SECONDS": "1", "ACCESS_LOG": "false"}
    command = ["-m", name]
    if name == "echo":
        command = [str(TINY_SERVICE), str(port), "1"]
    elif name == "prediction_api":
        own |= {"MODEL_URI": str(write_model(folder / "model")), "OUTBOX_DIR": str(folder / "outbox")}
        own |= {"REQUEST_SECONDS": "1", "MAX_CONCURRENCY": "8"}
    else:
        own |= {"DATABASE_URL": f"sqlite:///{folder}/ontime.db"}
        own |= {"DATA_API_REQUEST_SECONDS": "1", "DATA_API_MAX_CONCURRENCY": "8"}
    process = subprocess.Popen(
        ["bash", "-c", f'ulimit -n {MOST_FILES}; exec "$@"', "bash", sys.executable, *command],
        env={**os.environ, "PYTHONPATH": PATHS, **own, **settings},
    )
    server = Server(process, f"http://127.0.0.1:{port}", *ROUTES[name])
    try:
        until(lambda: process.poll() is None and httpx.get(f"{server.url}/healthz").status_code == 200)
        yield server
        assert server.answers()
    finally:
        process.terminate()
        process.wait(30)


def until(true: Callable[[], Any], seconds: float = 60) -> None:
    """Returns once a condition holds; while a service does not answer, it does not hold."""
    end = time.monotonic() + seconds
    while True:
        with suppress(httpx.HTTPError):
            if true():
                return
        assert time.monotonic() < end
        time.sleep(0.1)
