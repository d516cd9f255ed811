"""The cluster of Dask that computes: one elsewhere, by the address of its scheduler, or one of processes on this machine."""

import asyncio
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import dask
import distributed
from distributed.comm import connect
from distributed.security import Security
from distributed.versions import VersionMismatchWarning

from pipeline.compute import fork_server
from pipeline.compute.errors import SchedulerAway, WorkersAway
from pipeline.support.console import DEBUG
from pipeline.support.errors import first_line

CONNECT_SECONDS = 5  # for a scheduler to answer; one that is there takes milliseconds
CLOSE_SECONDS = 20  # for workers to end, which takes one on an idle machine
CONFIG = {
    "distributed.deploy.lost-worker-timeout": "1 hour",  # after 15 s a worker that a busy machine restarts would be given up
    "distributed.scheduler.allowed-failures": 10,  # of workers with one task: chance takes a few
    "distributed.worker.multiprocessing-method": fork_server.METHOD,
    "distributed.worker.profile.enabled": False,  # it looks at the stack each 10 ms, for a dashboard that is not there
    "distributed.admin.tick.interval": "1s",  # each process looks this often whether it is late; Dask would each 20 ms
    "distributed.admin.large-graph-warning-threshold": "1 TB",  # tasks carry their tables: no worker's death loses one
}


@contextmanager
def connected(address: str) -> Iterator[distributed.Client]:
    """A client of the scheduler at ``address``, such as tcp://host:8786. Raises SchedulerAway."""
    with _quiet(), dask.config.set(CONFIG):
        try:
            asyncio.run(asyncio.wait_for(_greet(address), CONNECT_SECONDS + 1))
            client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, ImportError, TypeError) as error:  # TypeError: tls:// without certificates
            found = "it does not answer" if type(error) is TimeoutError else first_line(error)
            raise SchedulerAway(
                f"DASK_SCHEDULER_ADDRESS={address} should be where a scheduler of Dask listens; {found}. Start it, "
                "correct the address, or unset it to compute on this machine."
            ) from error
        with client:
            yield client


@contextmanager
def started(workers: int) -> Iterator[distributed.Client]:
    """A client of ``workers`` processes on this machine, of one thread each, which end with the block.

    Raises WorkersAway where they cannot start.
    """
    with _quiet(), dask.config.set(CONFIG):
        try:
            cluster = distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                memory_limit=None,
                security=Security.temporary(),  # else anybody with an account on this machine could send tasks
                silence_logs=logging.WARNING if _is_debugging() else logging.CRITICAL,
            )
        except (OSError, RuntimeError) as error:
            raise WorkersAway(
                f"{workers} workers should start on this machine; they have not ({first_line(error)}). Give it memory and "
                "room for temporary files, or unset DASK_WORKERS and COMPUTE_ENGINE to compute in this process."
            ) from error
        try:
            # Results come from the workers, not through the scheduler.
            with distributed.Client(cluster, set_as_default=False, direct_to_workers=True) as client:
                yield client
        finally:
            with suppress(TimeoutError):  # a worker that does not end ends with this process
                cluster.close(CLOSE_SECONDS)


async def _greet(address: str) -> None:
    """Raises OSError or ValueError where no scheduler answers. A client would wait for ever for one that is stopped."""
    comm = await connect(address, CONNECT_SECONDS, **Security().get_connection_args("client"))
    comm.abort()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Dask's own messages from the console: what matters of them is raised. With ONTIME_DEBUG=1 they stay."""
    if _is_debugging():
        yield
        return
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client", "tornado.application", "asyncio")]
    levels = [logger.level for logger in loggers]
    warnings.filterwarnings("ignore", category=VersionMismatchWarning)  # our own check says what matters of it
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _is_debugging() -> bool:
    return os.environ.get(DEBUG, "") not in ("", "0")
