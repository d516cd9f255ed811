"""Runs a command of the pipeline in this process: another one would take seconds to import what is imported here."""

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from pipeline.support import console


def run(module: str, *words: str, folder: Path, environment: Mapping[str, str] = os.environ) -> subprocess.CompletedProcess:
    """What `python -m pipeline.MODULE WORDS` in a folder ends with and prints; afterwards the process is as before."""
    main = importlib.import_module(f"pipeline.{module}").main
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    out, errors = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(errors):
        patch.chdir(folder)
        before, given = dict(os.environ), dict(environment)
        os.environ.clear()
        os.environ |= given
        patch.setattr(sys, "argv", [module, *words])
        try:
            console.run(main)
            status = 0
        except SystemExit as ended:
            status = int(ended.code or 0)
        finally:
            os.environ.clear()
            os.environ |= before
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return subprocess.CompletedProcess([module, *words], status, out.getvalue(), errors.getvalue())
