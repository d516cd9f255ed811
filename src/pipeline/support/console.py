"""Runs a command: prints its steps with their times, progress on a terminal, and a failure as one sentence."""

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from types import FrameType

from rich.console import Console
from rich.progress import Progress

from pipeline.support.errors import OntimeError

DEBUG = "ONTIME_DEBUG"  # set to 1, failures print their traceback
AFTER_A_STAGE = "If a stage was running, `make reset` restores its outputs."
console = Console(stderr=True, highlight=False, soft_wrap=True)
_at_stop: list[Callable[[], None]] = []


def run(main: Callable[[], None]) -> None:
    """Runs ``main`` and exits with 0, or with 1 and one sentence on standard error; with ONTIME_DEBUG=1 it raises errors."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        main()
    except Exception as error:
        if os.environ.get(DEBUG, "") not in ("", "0"):
            raise
        _print_error(_explain(error))
        sys.exit(1)


def parser(module: ModuleSpec | None, doc: str | None, epilog: str = "") -> argparse.ArgumentParser:
    """A parser without options for `python -m MODULE`, whose help is the docstring of that module."""
    return argparse.ArgumentParser(
        prog=f"python -m {module.name.removesuffix('.__main__')}" if module else None,
        description=doc,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


@contextlib.contextmanager
def step(description: str, total: int | None = None) -> Iterator[Callable[[], None]]:
    """Prints a step of a command: a progress line on a terminal, a line with its time in a log.

    Yields a function to call after each of ``total`` parts, where they can be counted.
    """
    start = time.perf_counter()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(description, total=total)
        yield lambda: progress.advance(task)
    console.print(f"  {description:<48}{time.perf_counter() - start:8.1f} s", markup=False)


@contextlib.contextmanager
def at_stop(function: Callable[[], None]) -> Iterator[None]:
    """Calls a function if Ctrl-C or SIGTERM stops the command within the block: no `finally` runs then."""
    _at_stop.append(function)
    try:
        yield
    finally:
        _at_stop.remove(function)


def say(text: str) -> None:
    """Prints a remark between steps."""
    console.print(f"  {text}", markup=False)


def answer(text: str) -> None:
    """Prints the result of a command on standard output, for a file or a pipe."""
    Console(highlight=False, markup=False, soft_wrap=True).print(text)


def warn(text: str) -> None:
    """Prints a warning."""
    console.print(f"  warning: {text}", markup=False, style="yellow")


def _explain(error: BaseException) -> str:
    if isinstance(error, OntimeError):
        return str(error)
    if isinstance(error, MemoryError):
        return "This machine has too little free memory for the stage. End other programs, or use fewer rows."
    if not isinstance(error, OSError):
        return (
            f"This is a bug of Ontime, an unexpected {type(error).__name__}: {' '.join(str(error).split())}. "
            f"The same command with {DEBUG}=1 shows where."
        )
    where = f" {error.filename}" if error.filename else ""
    return (
        f"Reading or writing{where} failed: {error.strerror or error}. Free space or grant access, then try again. "
        f"{AFTER_A_STAGE}"
    )


def _print_error(text: str) -> None:
    console.print(f"error: {text}", markup=False, style="red")


def _stop(number: int, _frame: FrameType | None) -> None:
    """Exits at once: a library might catch an exception that is raised here as if it were its own."""
    console.show_cursor()
    for function in _at_stop:
        with contextlib.suppress(Exception):
            function()
    _print_error(f"Stopped before the end. {AFTER_A_STAGE}")
    os._exit(128 + number)
