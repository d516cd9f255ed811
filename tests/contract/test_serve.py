"""`make serve` starts the three services, and ends all however it ends."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from contract.live_services import needs_model
from ports import free_port

pytestmark = needs_model
MODULES = ("data_api", "prediction_api", "board")
SECONDS = 90  # for anything that is waited for
LONG = pytest.mark.long("`make serve` ended or killed at each moment, and each of its ports taken")


class Serving:
    """`make serve` in a process group of its own, as a terminal has it, on free ports."""

    def __init__(self, folder, data=None, prediction=None, board=None):
        self.data, self.prediction, self.board = data or free_port(), prediction or free_port(), board or free_port()
        settings = {
            "DATA_API_PORT": self.data, "PREDICTION_API_PORT": self.prediction, "BOARD_PORT": self.board,
            "OUTBOX_DIR": folder / "outbox", "DATABASE_URL": f"sqlite:///{folder}/data.db",
        }  # fmt: skip
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["make", "serve"], env={**kept, **{name: str(value) for name, value in settings.items()}},
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def ready(self):
        for port, page in ((self.data, "readyz"), (self.prediction, "readyz"), (self.board, "healthz")):
            until(lambda url=f"http://127.0.0.1:{port}/{page}": httpx.get(url).status_code == 200, httpx.TransportError)
        return self

    def pid(self, module):
        """The process of one of the services: a child's child of make, known by what it runs."""
        for path in Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_bytes().split(b"\0")
                settings = (path / "environ").read_bytes()
            except OSError:
                continue
            if words[1:3] == [b"-m", module.encode()] and f"DATA_API_PORT={self.data}\0".encode() in settings:
                return int(path.name)
        return None

    def gone(self):
        until(lambda: not any(map(self.pid, MODULES)))
        return self.process.wait(SECONDS)


def until(true, passing=()):
    end = time.monotonic() + SECONDS
    while True:
        try:
            if true():
                return
        except passing:
            pass
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def serving(tmp_path):
    found = []

    def start(**ports):
        found.append(Serving(tmp_path, **ports))
        return found[-1]

    yield start
    for one in found:
        for pid in filter(None, map(one.pid, MODULES)):
            os.kill(pid, signal.SIGKILL)
        if one.process.poll() is None:
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.wait()


def test_ctrl_c_ends_all_and_each_line_says_whose_it_is(serving):
    running = serving().ready()

    os.killpg(running.process.pid, signal.SIGINT)
    running.gone()

    log = running.log.read_text()
    assert re.search(r"^data       \| .*Finished server process", log, re.MULTILINE)
    assert re.search(r"^prediction \| .*Finished server process", log, re.MULTILINE)
    assert re.search(r"^board      \| .*Finished server process", log, re.MULTILINE)


@pytest.mark.parametrize(
    ("module", "later"),
    [("data_api", 0.1), ("prediction_api", 1), ("board", 0)]
    + [
        pytest.param(module, later, marks=LONG)
        for module, others in (("data_api", (0, 1)), ("prediction_api", (0, 0.1)), ("board", (0.1, 1)))
        for later in others
    ],
)
def test_ctrl_c_while_they_start_ends_all(serving, module, later):
    running = serving()
    until(lambda: running.pid(module))
    time.sleep(later)

    os.killpg(running.process.pid, signal.SIGINT)

    running.gone()
    time.sleep(0.5)
    assert not any(map(running.pid, MODULES))


def test_make_that_is_told_to_end_ends_all(serving):
    running = serving().ready()

    running.process.terminate()

    assert running.gone() != 0


@pytest.mark.parametrize(
    "module", [pytest.param("data_api", marks=LONG), "prediction_api", pytest.param("board", marks=LONG)]
)
def test_where_one_is_killed_the_others_end(serving, module):
    running = serving().ready()

    os.kill(running.pid(module), signal.SIGKILL)

    assert running.gone() != 0


@pytest.mark.parametrize("which", ["data", pytest.param("prediction", marks=LONG), pytest.param("board", marks=LONG)])
def test_where_a_port_is_taken_all_end_with_a_sentence(serving, which):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        running = serving(**{which: taken.getsockname()[1]})

        assert running.gone() != 0

    assert f"port {getattr(running, which)}" in running.log.read_text()
