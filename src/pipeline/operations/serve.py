"""Runs the data service, the prediction service and the board until one of them ends: python -m pipeline.operations.serve.

Each line that they print begins with the name of its service.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import IO

from pipeline.clients.environment import setting
from pipeline.clients.services import SETTINGS
from pipeline.support import console
from pipeline.support.errors import OntimeError

MODULES = {"data": "data_api", "prediction": "prediction_api", "board": "board"}  # in the order in which they start
POLL_SECONDS = 0.1
LAST_LINES_SECONDS = 2  # for what a service printed before it ended; a process that it started may hold the pipe for longer

Services = dict[str, subprocess.Popen[bytes]]


class ServiceEnded(OntimeError):
    """One of the services ended, and the others were ended after it."""


def main() -> None:
    """Serves until Ctrl-C or SIGTERM (exit status 130 or 143); raises ServiceEnded where a service ends by itself."""
    console.parser(__spec__, __doc__).parse_args()
    signals: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: signals.append(number))
    running = _start(settings(os.environ))
    logs = {name: _forward(name, process) for name, process in running.items()}
    while not signals and all(process.poll() is None for process in running.values()):
        time.sleep(POLL_SECONDS)
    ended = [name for name, process in running.items() if process.poll() is not None]
    _stop(running, logs, signals)
    if signals:
        sys.exit(128 + signals[0])
    raise ServiceEnded(
        f"The {ended[0]} service ended with status {running[ended[0]].returncode}, so the others were ended too. "
        "Its lines above say why."
    )


def settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of all services: where they find the data service and the prediction service, and the key there."""
    key = SETTINGS["DATA_API_KEY"][0]
    urls = {name: setting(name, SETTINGS[name][0], environment) for name in ("DATA_API_URL", "PREDICTION_API_URL")}
    return {
        **environment,
        **urls,
        "DATA_API_KEY": environment.get("DATA_API_KEY") or environment.get("FIRST_SERVICE_KEY") or key,
    }


def _start(environment: Mapping[str, str]) -> Services:
    """All services. Ctrl-C reaches this process alone, which then ends the services in order."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return {
            name: subprocess.Popen(
                [sys.executable, "-m", module], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            for name, module in MODULES.items()
        }
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _forward(name: str, process: subprocess.Popen[bytes]) -> threading.Thread:
    """A running thread that copies the lines of a service to standard error."""
    thread = threading.Thread(target=_copy, args=(f"{name:<10} | ".encode(), process.stdout), daemon=True)
    thread.start()
    return thread


def _copy(prefix: bytes, lines: IO[bytes]) -> None:
    with lines:
        for line in lines:
            sys.stderr.buffer.write(prefix + line)
            sys.stderr.buffer.flush()


def _stop(running: Services, logs: Mapping[str, threading.Thread], signals: list[int]) -> None:
    """Ends the data service last, so that what the others still deliver is taken. A second Ctrl-C ends all at once.

    The last lines of a service are printed before the next one ends, so that they stand in the order of what happened.
    """
    for name, process in reversed(running.items()):
        process.terminate()
        while process.poll() is None:
            if signals.count(signal.SIGINT) > 1:
                process.kill()
            time.sleep(POLL_SECONDS)
        logs[name].join(LAST_LINES_SECONDS)


if __name__ == "__main__":
    console.run(main)
