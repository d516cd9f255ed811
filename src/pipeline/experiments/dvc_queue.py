"""DVC's queue of experiments, by the commands that people type."""

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable, Sequence

import tenacity

from pipeline.support import console
from pipeline.versioning import dvc

QUEUED = re.compile(r"Queued experiment '([^']+)'")
TASK = re.compile(r"^\w{7} +(\S+) .* (Queued|Running)\s*$", re.MULTILINE)
WORKERS = re.compile(r"Worker status: (\d+) active, (\d+) idle")
POLL_SECONDS = 3.0
REST_PER_QUESTION = 5  # times as long as DVC took to answer: about a second of a processor, more on a busy machine


@tenacity.retry(stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_fixed(1), reraise=True)
def status() -> tuple[set[str], set[str], int]:
    """The experiments that are queued, those that run, and how many workers answer."""
    printed = dvc.run("queue", "status")
    queued, running = ({name for name, found in TASK.findall(printed) if found == state} for state in ("Queued", "Running"))
    return queued, running, sum(map(int, WORKERS.findall(printed)[0]))


def enqueue(overrides: Sequence[str]) -> list[str]:
    """Queues an experiment for each point of these overrides, and gives the names that DVC has for them."""
    return QUEUED.findall(dvc.run("exp", "run", "--queue", *(word for override in overrides for word in ("-S", override))))


def work_off(names: Sequence[str], jobs: int, stop: threading.Event, advance: Callable[[], None]) -> None:
    """Runs so many workers until none of these experiments is left, or until ``stop``; others replace those that died."""
    threads = os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // jobs)))  # an experiment's share
    ended, quiet, started, rest = 0, 0, False, POLL_SECONDS
    while quiet < 2 and not stop.wait(rest):  # twice: between the queue and its end an experiment is briefly nowhere
        asked = time.monotonic()
        queued, running, workers = status()
        rest = max(POLL_SECONDS, REST_PER_QUESTION * (time.monotonic() - asked))
        waiting = (queued | running).intersection(names)
        quiet = 0 if waiting else quiet + 1
        for _ in range(ended, len(names) - len(waiting)):
            advance()
        ended = max(ended, len(names) - len(waiting))
        if waiting and not started:
            started = bool(dvc.run("queue", "start", "--jobs", str(jobs), OMP_NUM_THREADS=threads))
        elif waiting and not workers and workers_died():
            if not running:
                raise dvc.DvcFailed("DVC's workers died before they took up an experiment. `dvc queue start -v` says more.")
            with contextlib.suppress(dvc.DvcFailed):  # one of them has just ended: the next round kills the rest
                dvc.run("queue", "kill", *running)  # marks them as failed: nothing else ever would
            console.warn(f"All workers died, and {', '.join(running)} with them; others start.")
            started = False


def workers_died() -> bool:
    """Whether no worker answers, asked three times: they take their time to start, and to answer while they work."""
    for _question in range(3):
        time.sleep(POLL_SECONDS)
        if status()[2]:
            return False
    return True


def release_orphans(_: object = None) -> None:
    """Marks as failed what counts as running although all workers died."""
    if workers_died():
        dvc.run("queue", "kill", *status()[1])


def stop(names: Sequence[str]) -> None:
    """Takes these experiments out of the queue and ends those that run with all their processes; what has ended stays.

    `dvc queue kill` refuses an experiment whose folder is still being made, and waits for no end: so it is asked again.
    `dvc queue stop --kill` would leave the stages running without their experiment.
    """
    for _attempt in range(20):  # more than the processes of an experiment need to end
        queued, running, _workers = status()
        if not (queued | running).intersection(names):
            break
        for verb, chosen in (("remove", queued.intersection(names)), ("kill", running.intersection(names))):
            with contextlib.suppress(dvc.DvcFailed):
                dvc.run("queue", verb, *chosen)
    dvc.run("queue", "stop")
