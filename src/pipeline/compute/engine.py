"""The engine that computes the parts of a stage: one interface, whatever processes work behind it."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, TypeVar

from pipeline.compute import fork_server, settings

Task = TypeVar("Task")
Result = TypeVar("Result")


class Engine(Protocol):
    """Computes a function of many tasks; the results are the same whichever engine computes them."""

    def map(
        self, function: Callable[[Task], Result], tasks: Iterable[Task], advance: Callable[[], None]
    ) -> Iterator[Result]:
        """The results in the order of the tasks; ``advance`` is called after each.

        ``function`` belongs to a module (not to a stage's own, which is ``__main__`` where it runs), or is a
        functools.partial of such a function: what it holds for all tasks is sent to a worker once. A task can be pickled
        and holds bytes or arrays, never a path: a worker may be another machine. Only a few tasks are taken ahead of the
        results, so that memory does not grow with their number. An error of ``function`` is raised as it is where its
        result would have come.
        """
        ...


class LocalEngine:
    """Computes in this process, one task after another."""

    def map(
        self, function: Callable[[Task], Result], tasks: Iterable[Task], advance: Callable[[], None]
    ) -> Iterator[Result]:
        """The results in the order of the tasks, each computed when it is asked for."""
        for task in tasks:
            result = function(task)
            advance()
            yield result


@contextmanager
def open_engine(environment: Mapping[str, str] = os.environ) -> Iterator[Engine]:
    """The engine of conf/compute.yaml, or the one that the environment names; what it starts ends with the block.

    Raises ParamsInvalid, SchedulerAway, WorkersAway, WorkerDiffers.
    """
    compute = settings.read(environment)
    if compute.engine == "local":
        yield LocalEngine()
        return
    address = environment.get(settings.ADDRESS)
    if not address:
        fork_server.start()
    from pipeline.compute import dask_cluster, dask_engine  # importing them takes a quarter of a second

    cluster = dask_cluster.connected(address) if address else dask_cluster.started(settings.workers(environment))
    with cluster as client:
        yield dask_engine.DaskEngine(client, compute.worker_seconds)
