"""The services in processes of their own, as they run: started until they are ready, killed, started again on their port."""

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

import httpx
import pytest

import warm_process
from ports import free_port
from warm_process import WarmProcess

ROOT = Path.cwd()
START_SECONDS = 90
KEY = "ontime_development_key_of_the_prediction_service"
KEPT = {"PATH", "HOME", "TMPDIR", "LANG"}


class Process:
    """A service on a free port, with these settings and no others."""

    def __init__(self, module: str, source: str, folder: Path, **settings: str) -> None:
        self.port, self.log = free_port(), folder / f"{module}.log"
        self.url = f"http://127.0.0.1:{self.port}"
        known = {name: value for name, value in os.environ.items() if name in KEPT}
        self._environment = {
            **known,
            "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / source}",
            f"{module.upper()}_PORT": str(self.port),
            **settings,
        }
        self._module = module
        self.process: subprocess.Popen[bytes] | WarmProcess | None = None

    def __enter__(self) -> Self:
        self.start()
        self.wait_until_ready()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(30)

    def start(self) -> None:
        """Returns at once; its log goes on where it was."""
        with self.log.open("ab") as file:
            self.process = warm_process.start(self._module, self._environment, file, ROOT)

    def kill(self) -> None:
        """Ends it without a word."""
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def wait_until_ready(self) -> None:
        """Returns once it has what it needs."""
        self.wait(lambda: httpx.get(f"{self.url}/readyz").status_code == 200)

    def wait_until_it_listens(self) -> None:
        """Returns once a client can connect; costs next to nothing."""

        def listens() -> bool:
            with socket.socket() as client:
                return client.connect_ex(("127.0.0.1", self.port)) == 0

        self.wait(listens)

    def wait(self, true) -> None:
        """Returns once it is so; fails with the log where the process ends before, or takes too long."""
        assert self.process
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            with suppress(httpx.TransportError):
                if true():
                    return
            time.sleep(0.02)
        pytest.fail(f"{self._module} does not come: {self.log.read_text()[-5000:]}")
