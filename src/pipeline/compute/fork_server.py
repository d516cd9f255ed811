"""The process that the workers on this machine are forked from: it loads once what all of them need."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker

METHOD = "forkserver" if sys.platform == "linux" else "spawn"  # a fork is not safe with the libraries of macOS
KEPT_BYTES = str(1 << 28)
ENVIRONMENT = {  # of workers, which cannot set it once their libraries are loaded
    # Workers keep freed memory: Dask has them give it back at once, and then a task takes half as long again.
    "MALLOC_TRIM_THRESHOLD_": KEPT_BYTES,
    "MALLOC_MMAP_THRESHOLD_": KEPT_BYTES,
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def start() -> None:
    """Starts the process, which loads Dask and what the stage has loaded while the stage itself goes on.

    A worker is then there in milliseconds, also one that replaces another.
    """
    with _environment({"PYTHONWARNINGS": "ignore"}):  # what removes semaphores after Ctrl-C warns that it does
        resource_tracker.ensure_running()
    if METHOD != "forkserver":
        return
    loaded = [name for name in sys.modules if name.startswith("pipeline.")]
    multiprocessing.get_context(METHOD).set_forkserver_preload(["distributed", *loaded])
    with _environment(ENVIRONMENT), _interrupts_blocked():
        forkserver.ensure_running()


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """New processes never get the Ctrl-C of a terminal, not even while they load modules: the stage ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Adds variables to those that a new process gets."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
