"""Times the cold pipeline beside one bare script, one table beside its copies, and a `dvc repro` with nothing to do.

What is compared takes turns in one run, so that a busy machine slows both. Prints rows to compare and holds them to
their targets; a missed one is said and is no error, because a busy machine can miss any.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

sys.path.append(str(Path(__file__).parents[1] / "repository"))
from clones import cloned, environment, git

BARE, BEYOND = ([sys.executable, str(Path(__file__).with_name(name))] for name in ("one_script.py", "stage_overhead.py"))
MOST_TIMES_BARE, MOST_BYTES, MOST_TIMES_STATUS = 1.5, 1.5e9, 1.3
NOISE = 1.05  # what a row of ten copies may cost, in rows of one copy
NO_OP_ROUNDS = 5
KILOBYTE = 1024 if sys.platform.startswith("linux") else 1  # ru_maxrss counts these on Linux, bytes on macOS
console = Console(highlight=False, markup=False, soft_wrap=True)


@dataclass(frozen=True)
class Cost:
    """What a command took, the processes that it started included, and what it printed.

    Seconds by the clock and of processors; peak memory in bytes, of the largest process.
    """

    seconds: float
    busy: float
    peak: float
    printed: str


def cost(what: str, command: Sequence[str], folder: Path, more: Mapping[str, str] | None = None) -> Cost:
    """Runs a command in the clone of ``folder``; what `wait4` tells of it covers the stages that `dvc repro` starts."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as remarks, console.status(what):
        # Threads wait as they do in the stage that fits, so that the bare script has the same chance on a busy machine.
        settings = environment(folder, PYTHONPATH="src", GOMP_SPINCOUNT="1000") | dict(more or {})
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder / "clone", env=settings, stdout=out, stderr=remarks, start_new_session=True
        )
        try:
            _, ended, usage = os.wait4(process.pid, 0)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(ended)
        out.seek(0)
        remarks.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{out.read()}{remarks.read()}")
        return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * KILOBYTE, out.read())


def prepared(folder: Path, commit: str, database: Path | None = None) -> Path:
    """A folder with a fresh clone whose environment is ready: its MLflow database is there already."""
    cloned(folder, commit)
    if database is None:
        code = "import os, mlflow; mlflow.MlflowClient(os.environ['MLFLOW_TRACKING_URI']).search_experiments()"
        cost("make an MLflow database", [sys.executable, "-c", code], folder)
    else:
        shutil.copy(database, folder / "mlflow.db")
    return folder


def cold(folder: Path, commit: str, rounds: int) -> Path:
    """Rows on the cold pipeline and the bare script, taking turns; gives the folder of the last clone, now reproduced."""
    database = prepared(folder / "bare", commit) / "mlflow.db"
    whole: list[Cost] = []
    bare: list[Cost] = []
    for i in range(rounds):
        clone = prepared(folder / f"cold-{i}", commit, database)
        whole.append(cost(f"round {i + 1} of {rounds}: dvc repro", ["dvc", "repro"], clone))
        bare.append(cost(f"round {i + 1} of {rounds}: bare script", BARE, folder / "bare"))
    console.print(f"\nCold pipeline beside one bare script, in turn; rounds: {rounds}")
    console.print(f"{'':32}{'median':>8}{'min':>8}{'max':>8}{'CPU':>10}{'peak':>10}")
    for name, costs in (("A  dvc repro in a fresh clone", whole), ("B  bare script, same work", bare)):
        times = [one.seconds for one in costs]
        busy, peak = median(one.busy for one in costs), max(one.peak for one in costs) / 1e9
        console.print(f"{name:32}{median(times):8.1f}{min(times):8.1f}{max(times):8.1f}{busy:8.1f} s{peak:7.2f} GB")
    pairs = list(zip(whole, bare, strict=True))
    console.print(f"A / B, pair by pair: {', '.join(f'{a.seconds / b.seconds:.2f}' for a, b in pairs)}")
    console.print(
        f"A / B in CPU seconds, which other work on the machine moves less: {median(a.busy / b.busy for a, b in pairs):.2f}"
    )
    judge("A / B, median", median(a.seconds / b.seconds for a, b in pairs), MOST_TIMES_BARE)
    judge("peak of A in GB", max(one.peak for one in whole) / 1e9, MOST_BYTES / 1e9)
    prices(json.loads(bare[-1].printed), json.loads(cost("what stages do beyond it", BEYOND, folder / "bare").printed))
    return clone


def prices(bare: dict[str, Any], beyond: dict[str, Any]) -> None:
    """A row for each step of the bare script, and for each that only the stages have."""
    console.print(f"\nSteps of the bare script (ROC AUC {bare['roc_auc']})")
    extra = {name: seconds for name, seconds in beyond["seconds"].items() if name not in bare["seconds"]}
    for title, steps in (("", bare["seconds"]), ("and those that only the stages have", extra)):
        if title:
            console.print(title)
        for name, seconds in steps.items():
            console.print(f"  {name:40}{seconds:6.1f} s")


def growth(folder: Path, copies: Sequence[int]) -> None:
    """Rows on the bare script with more and more copies of the table."""
    console.print(
        f"\nCopies of the table, a year apart; per row, one copy is 1\n{'':15}rows{'time':>9}{'CPU':>10}{'peak':>10}", end=""
    )
    console.print(f"{'time/row':>10}{'CPU/row':>10}{'peak/row':>10}")
    relative: list[list[float]] = []
    unit: list[float] = []
    for count in copies:
        one = cost(f"{count} copies", [*BARE, "--copies", str(count)], folder / "bare")
        rows = json.loads(one.printed)["rows"]
        each = [one.seconds / rows, one.busy / rows, one.peak / rows]
        unit = unit or each
        relative.append([value / first for value, first in zip(each, unit, strict=True)])
        absolute = f"{count:3}{rows:16,}{one.seconds:7.1f} s{one.busy:8.1f} s{one.peak / 1e9:7.2f} GB"
        console.print(absolute + "".join(f"{ratio:10.2f}" for ratio in relative[-1]))
    judge("largest time per row", max(time for time, _, _ in relative), NOISE)
    judge("largest peak per row", max(peak for _, _, peak in relative), NOISE)


def no_op(folder: Path) -> None:
    """Rows on `dvc repro` with nothing to do beside `dvc status`, taking turns."""
    turns = [[cost(f"dvc {verb}", ["dvc", verb], folder) for verb in ("repro", "status")] for _ in range(NO_OP_ROUNDS)]
    if any("Running stage" in repro.printed for repro, _ in turns):
        sys.exit("A second dvc repro ran a stage; `make verify` says which.")
    console.print(f"\nNothing to do, {NO_OP_ROUNDS} times in turn")
    for name, times in zip(("dvc repro", "dvc status"), zip(*turns, strict=True), strict=True):
        console.print(f"{name:32}{median(one.seconds for one in times):6.2f} s")
    judge("dvc repro / dvc status, median", median(a.seconds / b.seconds for a, b in turns), MOST_TIMES_STATUS)


def judge(what: str, value: float, most: float) -> None:
    console.print(f"{what:44}{value:6.2f}   at most {most:g}: {'met' if value <= most else 'MISSED'}")


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of the cold pipeline and the bare script")
    parser.add_argument(
        "--copies", type=int, nargs="+", default=[1, 3, 10], help="of the table; the first is what others are held to"
    )
    parser.add_argument("--quick", action="store_true", help="one round, one and three copies")
    asked = parser.parse_args()
    rounds, copies = (1, [1, 3]) if asked.quick else (asked.rounds, asked.copies)
    load = f"{os.getloadavg()[0]:.1f} processes busy before it started"
    commit, _, subject = git("log", "-1", "--format=%H %s").strip().partition(" ")
    console.print(f"Timing {commit[:9]} ({subject}) on {os.cpu_count()} cores, {load}")
    with suppress(KeyboardInterrupt), tempfile.TemporaryDirectory(prefix="ontime-bench-") as name:
        folder = Path(name)
        no_op(cold(folder, commit, rounds))
        growth(folder, copies)
        return 0
    return 130


if __name__ == "__main__":
    sys.exit(main())
