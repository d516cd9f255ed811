"""DVC's experiments and their queue, by the commands that people type."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from pipeline.config.paths import VALIDATION
from pipeline.experiments import trials
from pipeline.experiments.grid import Point
from pipeline.experiments.trials import Trial
from pipeline.support.errors import OntimeError

WORKERS = re.compile(r"Worker status: (\d+) active, (\d+) idle")
QUEUED = re.compile(r"Queued experiment '([^']+)'")
TEST_SCORE = "{}.value"  # how `dvc exp show` names a metric of data/report/metrics.json
SHORT = 7  # characters of a commit in `dvc exp show`
ROW = re.compile(rf"[├└]── (\w{{{SHORT}}})\b")
RULE = "───"
COLUMNS = "120"  # of the table in a log; a terminal has its own width
SHOW_ATTEMPTS, SHOW_WAIT_SECONDS = 5, 1.0  # more than what is left of a killed experiment takes
LAST_LINES = 3  # of a command that failed: DVC ends with the cause


class CommandFailed(OntimeError):
    """A command of DVC or git ended with an error."""


def show(rev: str = "HEAD") -> tuple[Trial, list[Trial]]:
    """A commit as a trial, and the experiments that start from it, in any state.

    Asks again where DVC fails: it does while it takes away what an experiment that was killed leaves.
    """
    patient = Retrying(
        retry=retry_if_exception_type(CommandFailed),
        stop=stop_after_attempt(SHOW_ATTEMPTS),
        wait=wait_fixed(SHOW_WAIT_SECONDS),
        reraise=True,
    )
    return trials.read(json.loads(patient(_run, "dvc", "exp", "show", "--json", "--rev", rev)))


@contextmanager
def undisturbed() -> Iterator[None]:
    """Lets SIGINT and SIGTERM wait for the end of the block: DVC changes params.yaml to queue a point, and puts it back."""
    noted: list[int] = []
    before = {
        one: signal.signal(one, lambda number, _frame: noted.append(number)) for one in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    if noted:
        signal.raise_signal(noted[0])


def put(point: Point) -> str:
    """Queues one experiment and gives the name that DVC has for it."""
    printed = _run("dvc", "exp", "run", "--queue", *(word for override in point for word in ("-S", override)))
    if not (found := QUEUED.search(printed)):
        raise CommandFailed(
            f"`dvc exp run --queue` should name the experiment; it says {printed!r}. Type it by hand to see."
        )
    return found[1]


def start(at_once: int) -> None:
    """Starts as many workers as are missing of ``at_once``; each experiment gets its share of the processors."""
    threads = str(max(1, (os.cpu_count() or 1) // at_once))
    _run("dvc", "queue", "start", "--jobs", str(at_once), OMP_NUM_THREADS=os.environ.get("OMP_NUM_THREADS", threads))


def workers() -> int:
    """How many workers live; asking them takes DVC some seconds."""
    found = WORKERS.search(_run("dvc", "queue", "status"))
    return sum(map(int, found.groups())) if found else 0


def abandon(names: Collection[str]) -> None:
    """Marks running experiments whose worker is dead as failed: nothing else ever would."""
    if names:
        _run("dvc", "queue", "kill", *names)


def stop(names: Collection[str]) -> None:
    """Takes these experiments out of the queue, ends those that run with all their processes, and stops the workers.

    Whatever ended meanwhile stays. `dvc queue stop --kill` would leave the stages running without their experiment.
    """
    _, known = show()
    state = {one.name: one.state for one in known if one.name in names}
    for verb, which in (("remove", "queued"), ("kill", "running")):
        if chosen := [name for name, found in state.items() if found == which]:
            subprocess.run(["dvc", "queue", verb, *chosen], capture_output=True, check=False)
    subprocess.run(["dvc", "queue", "stop"], capture_output=True, check=False)


def apply(name: str) -> None:
    """Brings parameters, lock, metrics and outputs of an experiment into the working tree."""
    _run("dvc", "exp", "apply", name)


def print_table(rev: str, keys: Sequence[str], metric: str, *, without: Collection[str], lower_is_better: bool) -> None:
    """Prints `dvc exp show` as DVC draws it, the best first: what ended well, with the columns that matter here.

    ``without`` are the commits of experiments whose rows are left out.
    """
    names = ["Experiment", metric, TEST_SCORE.format(metric), *keys]
    others = "^(?!" + "|".join(rf"{re.escape(name)}$" for name in names) + ")"
    order = "asc" if lower_is_better else "desc"
    columns = str(os.get_terminal_size(1).columns) if os.isatty(1) else COLUMNS
    command = ["dvc", "exp", "show", "--rev", rev, "--no-pager", "--drop", others]
    command += ["--hide-workspace", "--hide-queued", "--hide-failed"]
    command += ["--sort-by", f"{VALIDATION}:{metric}", "--sort-order", order]
    sys.stdout.write(table_without(_run(*command, COLUMNS=columns), {one[:SHORT] for one in without}))
    sys.stdout.flush()


def table_without(table: str, revs: Collection[str]) -> str:
    """The table of `dvc exp show` without the rows of these short commits, however many lines each takes."""
    kept: list[str] = []
    dropped = False
    for line in table.splitlines():
        if found := ROW.search(line):
            dropped = found[1] in revs
        elif RULE in line:
            dropped = False
        if not dropped:
            kept.append(line)
    last = max((number for number, line in enumerate(kept) if ROW.search(line)), default=None)
    if last is not None:
        kept[last] = kept[last].replace("├", "└")
    return "\n".join([*kept, ""])


def _run(*command: str, **environment: str) -> str:
    """What a command prints. Raises CommandFailed with the end of what it says of its failure."""
    settings = {**os.environ, **environment}
    # In a session of its own: Ctrl-C on a terminal goes to every process of this one.
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False, start_new_session=True)
    if done.returncode:
        said = " ".join(" ".join((done.stderr or done.stdout).split("\n")[-LAST_LINES - 1 :]).split())
        raise CommandFailed(
            f"`{' '.join(command)}` should work; it says: {said or done.returncode}. Mend that, and try again."
        )
    return done.stdout
