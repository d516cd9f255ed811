"""Runs a command in this process, and DVC and stages that it starts: others would take seconds to import what is here."""

import importlib
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

import pytest
from dvc import cli, ui
from dvc.stage import run as stage_run
from dvc.stage.exceptions import StageCmdFailedError

from pipeline.support import console
from pipeline.versioning import dvc

STAGE = re.compile(r"\bpython -m pipeline\.(stages\.\w+)$")
START_DVC = dvc.execute


def run(module: str, *words: str, folder: Path, environment: Mapping[str, str] = os.environ) -> subprocess.CompletedProcess:
    """What `python -m pipeline.MODULE WORDS` in a folder ends with and prints; afterwards the process is as before."""
    main = importlib.import_module(f"pipeline.{module}").main
    return call(lambda: console.run(main), [module, *words], folder=folder, environment=environment)


def run_dvc(*words: str, folder: Path, environment: Mapping[str, str] = os.environ) -> subprocess.CompletedProcess:
    """What `dvc WORDS` in a folder ends with and prints; stages that it runs do so in this process too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage_run, "_run", _run_stage)
        return call(lambda: sys.exit(cli.main(list(words))), ["dvc", *words], folder=folder, environment=environment)


def _run_stage(_shell: str, command: str, *, cwd: str, env: Mapping[str, str], **_: Any) -> None:
    """As DVC does; raises its error where the command fails."""
    if stage := STAGE.search(command):
        done = run(stage[1], folder=Path(cwd), environment=env)
        print(done.stdout, end="")
        print(done.stderr, end="", file=sys.stderr)
    else:
        done = subprocess.run(command, cwd=cwd, env=env, shell=True, check=False)
    if done.returncode != 0:
        raise StageCmdFailedError(command, done.returncode)


def call(
    main: Callable[[], None], words: list[str], *, folder: Path, environment: Mapping[str, str] = os.environ, text: str = ""
) -> subprocess.CompletedProcess:
    """What a function ends with and prints as a command of these words, to which a text is piped; then all is as before."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    out, errors = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(errors), _dvc_logs_to(out, errors):
        patch.chdir(folder)
        patch.setattr(dvc, "execute", execute_dvc)
        patch.setattr(ui, "disable_colorama", nullcontext)  # it would put the outputs of the process back
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


def execute_dvc(words: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str, str]:
    """The status of `dvc WORDS` and what it prints, in this process unless it starts workers that outlive it."""
    if words[:2] == ("queue", "start"):
        return START_DVC(words, environment)
    done = run_dvc(*words, folder=Path.cwd(), environment=environment)
    return done.returncode, done.stdout, done.stderr


@contextmanager
def _dvc_logs_to(out: TextIO, errors: TextIO) -> Iterator[None]:
    """DVC writes its lines to these, and not to the outputs that this process had when it was imported."""
    handlers = [handler for handler in logging.getLogger("dvc").handlers if isinstance(handler, logging.StreamHandler)]
    before = [handler.setStream(errors if handler.level == logging.WARNING else out) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in zip(handlers, before, strict=True):
            handler.setStream(stream or handler.stream)


def _status(ended: SystemExit) -> int:
    """The status of a process that ends so; what Python prints at the end is printed."""
    if isinstance(ended.code, str):
        print(ended.code, file=sys.stderr)
        return 1
    return int(ended.code or 0) % 256
