"""What runs on a worker: one task, after a check that the worker computes with what the stage computes with."""

import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.compute import installation
from pipeline.compute.errors import WorkerDiffers, WorkerFailed
from pipeline.compute.installation import Installation


@dataclass(frozen=True)
class Outcome:
    """The result of a task, or the error that it raised, or that this worker has not got the function yet."""

    result: Any = None
    error: Exception | None = None
    lacks_function: bool = False


@dataclass(frozen=True)
class Shared:
    """A pickled function with what it holds for all its tasks; ``content`` is None where the worker should have it."""

    digest: str
    content: bytes | None


_functions: dict[str, Callable[[Any], Any]] = {}  # the last one, by its digest


def compute(shared: Shared, task: bytes, wanted: Installation, *, here: str = "") -> Outcome:
    """Computes a function of a pickled task. It raises nothing, so that what Dask raises is Dask's.

    Both are unpickled only where the worker has the ``wanted`` installation: the check also reaches workers that joined, or
    were restarted, after the first task. ``here`` is the address of the worker.
    """
    here = here or _address()
    if found := installation.differences(wanted, installation.here()):
        return Outcome(error=differs(here, found))
    try:
        function = _function(shared)
        if not function:
            return Outcome(lacks_function=True)
        return Outcome(function(pickle.loads(task)))  # noqa: S301, a client that can send a task can run any code anyway
    except (OSError, MemoryError) as error:
        return Outcome(error=_portable(_failed(here, error), here))
    except Exception as error:
        return Outcome(error=_portable(error, here))


def _function(shared: Shared) -> Callable[[Any], Any] | None:
    """What was sent, or what was sent with an earlier task; None in a worker that has come since."""
    if (function := _functions.get(shared.digest)) or shared.content is None:
        return function
    sent: Callable[[Any], Any] = pickle.loads(shared.content)  # noqa: S301, as above
    _functions.clear()
    _functions[shared.digest] = sent
    return sent


def differs(worker: str, found: list[str]) -> WorkerDiffers:
    """The error about a worker and what it has otherwise."""
    return WorkerDiffers(
        f"The worker {worker} should have the source and the packages of this process; it has {', '.join(found)}. Give it "
        "this commit and requirements/pipeline.txt, and restart it; in containers, `docker compose up -d "
        "--build --force-recreate dask-worker`."
    )


def _failed(here: str, error: OSError | MemoryError) -> WorkerFailed:
    if isinstance(error, MemoryError):
        return WorkerFailed(f"The worker {here} has too little free memory for a task. Give it more, or run fewer workers.")
    where = f" {error.filename}" if error.filename else ""
    return WorkerFailed(
        f"The worker {here} failed to read or write{where}: {error.strerror or error}. Free space or grant access there, or "
        "take that worker away, then try again."
    )


def _portable(error: Exception, here: str) -> Exception:
    """The error with its traceback as a note; one of the same text where it cannot be pickled."""
    note = f"On the worker {here}:\n{traceback.format_exc()}"
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301, our own bytes
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(note)
    return error


def _address() -> str:
    from distributed import get_worker

    return str(get_worker().address)
