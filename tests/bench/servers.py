"""Servers to be timed, each in a process of its own from when it is ready until the end; and what times are held to."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).parents[2]
READY_SECONDS, STOP_SECONDS = 90, 15
console = Console(highlight=False, markup=False, soft_wrap=True)


@dataclass(frozen=True)
class Server:
    """A server that answers: its port, its process, the seconds from its start until it was ready."""

    port: int
    process: subprocess.Popen[bytes]
    seconds: float

    @property
    def processor_seconds(self) -> float:
        """Processor time so far, in seconds, of its processes that run and of those that ended."""
        ticks = sum(sum(map(int, fields[11:15])) for fields in _family(self.process.pid).values())
        return ticks / os.sysconf("SC_CLK_TCK")

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to all its processes."""
        for process in _family(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(process, number)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Lets a server that stands still go on until the block ends: LitServe takes a whole processor while it waits."""
        self.signal(signal.SIGCONT)
        try:
            yield
        finally:
            self.signal(signal.SIGSTOP)

    @property
    def resident_mb(self) -> float:
        """Resident memory in MB, of all its processes."""
        return sum(int(fields[21]) for fields in _family(self.process.pid).values()) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _family(ancestor: int) -> dict[int, list[str]]:
    """A process and all that it started, each with the fields of its /proc/PID/stat from the third on."""
    processes = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            processes[int(path.parent.name)] = path.read_text().rpartition(")")[2].split()
    family: set[int] = {ancestor} & processes.keys()
    while more := {number for number, fields in processes.items() if int(fields[1]) in family} - family:
        family |= more
    return {number: processes[number] for number in family}


@contextmanager
def serving(command: Sequence[str], port: int, path: str, log: Path, **environment: str) -> Iterator[Server]:
    """Runs a server until the block ends; it is ready once ``path`` answers."""
    start = time.perf_counter()
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdout=file, stderr=file, start_new_session=True
        )
    try:
        while not answers(f"http://127.0.0.1:{port}{path}"):
            if process.poll() is not None or time.perf_counter() - start > READY_SECONDS:
                sys.exit(f"{' '.join(command)} does not answer:\n{log.read_text()[-3000:]}")
            time.sleep(0.01)
        yield Server(port, process, time.perf_counter() - start)
    finally:
        family = _family(process.pid)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGCONT)
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        for number, fields in family.items():  # what did not end by itself
            with suppress(ProcessLookupError):
                if _family(number).get(number, [""] * 20)[19] == fields[19]:  # the same start: the number was not given anew
                    os.kill(number, signal.SIGKILL)
        process.wait()


def answers(url: str) -> bool:
    with suppress(OSError):
        return urllib.request.urlopen(url, timeout=5).status == 200
    return False


def judge(what: str, value: float, most: float | None = None, least: float | None = None) -> None:
    met = (most is None or value <= most) and (least is None or value >= least)
    bound = f"at most {most:g}" if most is not None else f"at least {least:g}"
    console.print(f"{what:48}{value:8.2f}   {bound}: {'met' if met else 'MISSED'}")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
