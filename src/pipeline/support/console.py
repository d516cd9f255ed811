"""Runs a stage as a person sees it: steps with their time, progress on a terminal, and a failure as one sentence."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from pipeline.support.errors import OntimeError

DEBUG = "ONTIME_DEBUG"  # set to 1, or give a stage --debug: failures come with their traceback
AFTER_A_STAGE = "If a stage was running, `dvc checkout` brings back what was there before."
console = Console(stderr=True, highlight=False, soft_wrap=True)


def run(main: Callable[[], None]) -> None:
    """Runs ``main`` and exits: 0, or 1 with one sentence on standard error (and a traceback if asked for)."""
    debug = "--debug" in sys.argv or os.environ.get(DEBUG, "") not in ("", "0")
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        main()
    except Exception as error:
        if debug:
            raise
        sys.exit(_say(_sentence(error), 1))


@contextlib.contextmanager
def step(what: str, total: int | None = None) -> Iterator[Callable[[], None]]:
    """One step of a stage: a moving line on a terminal, one line with its time in a log.

    Gives a function to call after each of ``total`` parts, where they can be counted.
    """
    start = time.perf_counter()
    with _progress(total) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)
    console.print(f"  {what:<48}{time.perf_counter() - start:8.1f} s", markup=False)


def say(text: str) -> None:
    """A remark that belongs to no step."""
    console.print(f"  {text}", markup=False)


def answer(text: str) -> None:
    """What a command was asked for, on standard output, where a file or a pipe may take it."""
    Console(highlight=False, markup=False, soft_wrap=True).print(text)


def warn(text: str) -> None:
    """Something that a person should know and that stops nothing."""
    console.print(f"  warning: {text}", markup=False, style="yellow")


def _progress(total: int | None) -> Progress:
    counted = [BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()] if total else []
    columns = [SpinnerColumn(), TextColumn("{task.description}"), *counted, TimeElapsedColumn()]
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _sentence(error: BaseException) -> str:
    if isinstance(error, OntimeError):
        return str(error)
    if isinstance(error, MemoryError):
        return "This machine has too little free memory for the stage. End other programs, or take fewer rows."
    if not isinstance(error, OSError):
        return (
            f"This is a fault of Ontime, which foresaw no {type(error).__name__}: {' '.join(str(error).split())}. "
            f"The same command with {DEBUG}=1 shows where."
        )
    where = f" {error.filename}" if error.filename else ""
    return (
        f"Reading or writing{where} failed: {error.strerror or error}. Make room or allow it, then type the same again. "
        f"{AFTER_A_STAGE}"
    )


def _say(text: str, status: int) -> int:
    console.print(f"error: {text}", markup=False, style="red")
    return status


def _stop(number: int, _frame: FrameType | None) -> None:
    """Leaves at once: an exception raised here may surface in a library that takes it for a fault of its own."""
    console.show_cursor()
    _say(f"Stopped before the end. {AFTER_A_STAGE}", 1)
    os._exit(128 + number)
