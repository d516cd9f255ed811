"""Runs a command in this process: another one would take seconds to import what is imported here."""

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import pytest

from pipeline.support import console


def run(module: str, *words: str, folder: Path, environment: Mapping[str, str] = os.environ) -> subprocess.CompletedProcess:
    """What `python -m pipeline.MODULE WORDS` in a folder ends with and prints; afterwards the process is as before."""
    main = importlib.import_module(f"pipeline.{module}").main
    return call(lambda: console.run(main), [module, *words], folder=folder, environment=environment)


def call(
    main: Callable[[], None], words: list[str], *, folder: Path, environment: Mapping[str, str] = os.environ, text: str = ""
) -> subprocess.CompletedProcess:
    """What a function ends with and prints as a command of these words, to which a text is piped; then all is as before."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    out, errors = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(errors):
        patch.chdir(folder)
        before, settings = dict(os.environ), dict(environment)
        os.environ.clear()
        os.environ |= settings
        patch.setattr(sys, "argv", words)
        patch.setattr(sys, "stdin", TextIOWrapper(BytesIO(text.encode())))
        try:
            main()
            status = 0
        except SystemExit as ended:
            status = _status(ended)
        finally:
            os.environ.clear()
            os.environ |= before
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return subprocess.CompletedProcess(words, status, out.getvalue(), errors.getvalue())


def _status(ended: SystemExit) -> int:
    """The status of a process that ends so; what Python prints at the end is printed."""
    if isinstance(ended.code, str):
        print(ended.code, file=sys.stderr)
        return 1
    return int(ended.code or 0) % 256
