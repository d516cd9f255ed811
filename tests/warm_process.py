"""Services in processes of their own that start at once: forked from a process that has imported the service before.

Importing takes up to a second of processor time, more than all else that a service does in most tests. From the fork on, a
service runs as ``python -m`` runs it, with an environment, a folder, outputs and signals of its own, and can be killed.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import IO, Any

IMPORTED = {
    "prediction_api": ("prediction_api.app", "service_kit.server"),
    "data_api": ("data_api.app", "service_kit.server"),
    "board": ("board.app", "service_kit.server"),
}
ROOT = Path(__file__).parents[1]
MESSAGE_BYTES = 200_000
ERROR = "the process that should start {} ended; its error is printed above"


def start(
    module: str,
    environment: Mapping[str, str],
    output: IO[bytes],
    folder: Path,
    words: Sequence[str] = (),
    errors: IO[bytes] | None = None,
) -> "subprocess.Popen[bytes] | WarmProcess":
    """Runs a service, or a command of its command line; its output goes to a file, its errors too or to another."""
    errors = errors or output
    if sys.platform == "linux":
        return WarmProcess([module, *words], environment, (output, errors), folder)
    return subprocess.Popen(
        [sys.executable, "-m", module, *words], env=environment, stdout=output, stderr=errors, cwd=folder
    )


def run(
    module: str, words: Sequence[str], environment: Mapping[str, str], folder: Path, seconds: float = 60
) -> subprocess.CompletedProcess[str]:
    """What a command ends with and prints; raises subprocess.TimeoutExpired where it takes longer."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = start(module, environment, output, folder, words, errors)
        try:
            status = process.wait(seconds)
        finally:
            process.kill()
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess([module, *words], status, output.read().decode(), errors.read().decode())


class WarmProcess:
    """A service, with as much of `subprocess.Popen` as tests use; it ends with the tests at the latest."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], outputs: Sequence[IO[bytes]], folder: Path
    ) -> None:
        self._starter, self._reaping = _starter(command[0], environment["PYTHONPATH"]), Lock()
        request = {"command": list(command), "environment": dict(environment), "folder": str(folder)}
        self.pid = self._starter.ask(request, *(output.fileno() for output in outputs))
        self._pidfd = os.pidfd_open(self.pid)
        self.returncode: int | None = None

    def __del__(self) -> None:
        os.close(self._pidfd)

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._status(0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit status once it ends; raises subprocess.TimeoutExpired where that takes more seconds than ``timeout``."""
        status = self._status(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._pidfd, number)

    def terminate(self) -> None:
        """Asks it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it."""
        self.send_signal(signal.SIGKILL)

    def _status(self, seconds: float | None) -> int | None:
        if self.returncode is None and _readable(self._pidfd, seconds):
            with self._reaping:
                if self.returncode is None:
                    self.returncode = self._starter.ask({"reap": self.pid})
        return self.returncode


class _Starter:
    """A process that has imported a service and forks itself; it ends with this process, and all that it forked with it."""

    def __init__(self, module: str, python_path: str) -> None:
        self._module, self._asking = module, Lock()
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-P", __file__, module, str(theirs.fileno())]
            environment = {**os.environ, "PYTHONPATH": python_path}
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], cwd=ROOT
            )

    def ask(self, request: dict[str, Any], *files: int) -> int:
        with self._asking:
            socket.send_fds(self._connection, [json.dumps(request).encode()], files)
            answer = self._connection.recv(MESSAGE_BYTES)
        assert answer, ERROR.format(self._module)
        return int(answer)


@cache
def _starter(module: str, python_path: str) -> _Starter:
    return _Starter(module, python_path)


def _readable(descriptor: int, seconds: float | None) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if seconds is None else seconds * 1000))


def _fork_on_request(module: str, connection: socket.socket) -> None:
    """Forks a child for each request, in which this returns; the process itself exits once nobody can ask any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the tests, and they end this
    for name in IMPORTED[module]:
        importlib.import_module(name)
    gc.freeze()
    children = set()
    while True:
        message, files, _, _ = socket.recv_fds(connection, MESSAGE_BYTES, 2)
        if not message:
            break
        request = json.loads(message)
        if "reap" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["reap"], 0)[1])
            children.remove(request["reap"])
        elif answer := os.fork():
            children.add(answer)
            for file in files:
                os.close(file)
        else:
            connection.close()
            _take_over(request, files)
            return
        connection.send(str(answer).encode())
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    os._exit(0)


def _take_over(request: dict[str, Any], files: Sequence[int]) -> None:
    """Gives this process what a command of its own would begin with."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, file in enumerate(files, start=1):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = request["command"]


if __name__ == "__main__":
    name, descriptor = sys.argv[1:]
    _fork_on_request(name, socket.socket(fileno=int(descriptor)))
    runpy.run_module(name, run_name="__main__", alter_sys=True)
