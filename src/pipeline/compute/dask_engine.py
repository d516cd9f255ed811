"""The engine that sends tasks to the workers of a Dask cluster, through its interface of concurrent.futures.

The futures are Dask's own, not those that ``client.get_executor()`` puts around them: these never end where fetching a
result fails.
"""

import hashlib
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from distributed import Client, Future, KilledWorker

from pipeline.compute import installation, worker
from pipeline.compute.errors import SchedulerAway, WorkerDiffers, WorkersAway
from pipeline.compute.settings import FILE
from pipeline.compute.worker import Outcome, Shared
from pipeline.support.errors import first_line

AHEAD = 2  # tasks sent ahead for each thread of a worker: one is computed while the next one travels
LOOK_SECONDS = 5  # between two looks at the cluster while no result comes
ANSWER_SECONDS = 30  # for a scheduler to answer while it is busy
FETCH_SECONDS = 600  # for a result to arrive, or for its task to be computed again where its worker died meanwhile
Task = TypeVar("Task")
Result = TypeVar("Result")


class DaskEngine:
    """Computes on the workers of a cluster. A task whose worker dies is computed again by another one.

    ``worker_seconds`` is how long tasks wait while the cluster has no worker at all.
    """

    def __init__(self, client: Client, worker_seconds: float) -> None:
        """Looks at the workers that are there. Raises WorkerDiffers, SchedulerAway."""
        self._client = client
        self._worker_seconds = worker_seconds
        self._installation = installation.here()
        self.check_workers()

    def map(
        self, function: Callable[[Task], Result], tasks: Iterable[Task], advance: Callable[[], None]
    ) -> Iterator[Result]:
        """The results in the order of the tasks, in whatever order the workers end them.

        ``function``, with what it holds for all tasks, travels with the first ones, and then to workers that come later.

        Raises SchedulerAway, WorkersAway, WorkerDiffers, WorkerFailed, and what ``function`` raises.
        """
        content = pickle.dumps(function, protocol=pickle.HIGHEST_PROTOCOL)
        whole = Shared(hashlib.sha256(content).hexdigest(), content)
        waiting, sent = iter(tasks), 0
        outstanding: deque[tuple[bytes, Future]] = deque()
        try:
            while True:
                ahead = AHEAD * max(1, self._threads())
                for task in islice(waiting, max(0, ahead - len(outstanding))):
                    pickled = pickle.dumps(task, protocol=pickle.HIGHEST_PROTOCOL)
                    shared = whole if sent < ahead else replace(whole, content=None)
                    outstanding.append((pickled, self._submit(shared, pickled)))
                    sent += 1
                if not outstanding:
                    return
                outcome = self._outcome(whole, *outstanding.popleft())
                if outcome.error:
                    raise outcome.error
                advance()
                yield outcome.result
        finally:
            if self._client.status == "running":
                self._client.cancel([future for _, future in outstanding])

    def _submit(self, shared: Shared, task: bytes) -> Future:
        return self._client.submit(worker.compute, shared, task, self._installation, pure=False)

    def _outcome(self, whole: Shared, task: bytes, future: Future) -> Outcome:
        outcome = self._wait(future)
        return self._wait(self._submit(whole, task)) if outcome.lacks_function else outcome

    def _wait(self, future: Future) -> Outcome:
        """What a task came to. Looks at the cluster from time to time, for without workers no result would ever come."""
        last_worker = time.monotonic()
        while True:
            with self._errors_of_dask():
                try:
                    future.exception(LOOK_SECONDS)  # waits, and fetches nothing
                    outcome: Outcome = future.result(FETCH_SECONDS)
                    return outcome
                except TimeoutError:
                    pass  # the cluster says below whether there is hope
            if self._threads():
                last_worker = time.monotonic()
            elif time.monotonic() - last_worker > self._worker_seconds:
                raise WorkersAway(
                    f"The scheduler at {self._address} should have workers; it has had none for {self._worker_seconds:g} s. "
                    f"Start some, or set worker_seconds in {FILE} to the time that they take to come."
                )

    def _threads(self) -> int:
        """How many tasks the cluster computes at a time."""
        with self._errors_of_dask():
            return sum(self._client.sync(self._client.scheduler.ncores, callback_timeout=ANSWER_SECONDS).values())

    def check_workers(self) -> None:
        """Compares the workers that are there with this process. Raises WorkerDiffers, SchedulerAway."""
        with self._errors_of_dask():
            answers = self._client.run(installation.here, on_error="return")
        for address, found in sorted(answers.items()):
            if isinstance(found, OSError):
                continue  # it has gone; the others compute
            if isinstance(found, Exception):
                raise worker.differs(address, [f"none of this source ({first_line(found)})"])
            if differences := installation.differences(self._installation, found):
                raise worker.differs(address, differences)

    @property
    def _address(self) -> str:
        return str(self._client.scheduler.address)

    @contextmanager
    def _errors_of_dask(self) -> Iterator[None]:
        """Raises what Dask raises as one sentence; a task itself raises nothing."""
        try:
            yield
        except KilledWorker as error:
            raise WorkersAway(
                f"A worker should compute the task; {error.allowed_failures + 1} died with it. If they have too little "
                "memory, give them more, or run fewer of them, then try again."
            ) from error
        except (ImportError, RuntimeError) as error:  # it could not unpickle what was sent
            cause = error.__cause__
            raise WorkerDiffers(
                f"The scheduler at {self._address} and its workers should have the source of this process; one has not "
                f"({first_line(cause if isinstance(cause, Exception) else error)}). Give it this commit, and restart it."
            ) from error
        except (OSError, CancelledError) as error:
            raise SchedulerAway(
                f"The scheduler at {self._address} should answer until all is computed; it has gone. Start it, then try "
                "again: what was not complete was not kept."
            ) from error
