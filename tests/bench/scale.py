"""Times the whole pipeline on 1, 10, 30 and 100 copies of the table, and two Dask workers beside one process.

Each number of copies gets a fresh clone whose flights and weather are folders of Parquet files, one for each copy, a year
apart. The last quarter of the time is the test period; training draws ``--train-rows`` rows where there are more. Prints
seconds, processor time and the peak memory of the largest process of each stage, and holds them to their targets; a missed
one is said and is no error, because a busy machine can miss any.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml
from one_script import shifted
from run import Cost, console, cost, judge, prepared

from pipeline.config.params_file import load_mapping, load_params
from pipeline.data import sources, table_io

sys.path.append(str(Path(__file__).parents[1] / "repository"))
from clones import git

STAGES = ("ingest", "preprocess", "train", "evaluate")
GROWING = ("flights", "weather")  # the tables that get longer with time
MOST_GROWTH, MOST_BYTES, MOST_TIME_PER_ROW, LEAST_GAIN = 1.5, 4e9, 1.1, 1.7
APART = timedelta(weeks=53)  # so that no two copies have flights of one day
LOCAL = {"COMPUTE_ENGINE": "local"}


def write_copies(folder: Path, copies: int) -> int:
    """Writes the source tables into ``folder``, those that grow as a file for each copy; gives the number of flights."""
    data, rows = load_params().data, 0
    files = sources.locate(data)
    for name, declared in data.tables.items():
        if name not in GROWING:
            shutil.copy(files[name], folder)
            continue
        table = table_io.read_source(files[name], declared).to_pandas()
        (folder / name).mkdir()
        with console.status(f"write {copies} copies of {name}"):
            for copy in range(copies):
                table_io.write(shifted(table, copy * APART), folder / name / f"{copy:03}.parquet")
        rows += len(table) * copies if name == "flights" else 0
    return rows


def declare(clone: Path, folder: Path, copies: int, train_rows: int) -> None:
    """Makes the clone read the tables in ``folder``, with its test period in the last quarter of the time."""
    path = clone / "conf/data/flights.yaml"
    declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    declared["source"] = {"path": str(folder)}
    for name, table in declared["tables"].items():
        table["file"] = str(folder / (name if name in GROWING else Path(table["file"]).name))
        table.pop("sha256")
    declared["tables"]["flights"]["columns"]["year"]["range"] = [2000, 2200]
    tested_from = date.fromisoformat(declared["split"]["test_from"])
    first = tested_from.replace(month=1, day=1)
    declared["split"]["test_from"] = (first + copies * (tested_from - first)).isoformat()
    path.write_text(yaml.safe_dump(declared, sort_keys=False), encoding="utf-8")
    config = clone / "conf/config.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("max_rows: null", f"max_rows: {train_rows}"), encoding="utf-8")
    if config.read_text(encoding="utf-8") == text:
        sys.exit("conf/config.yaml should have the line `max_rows: null` under train; it has none.")


def measure(folder: Path, commit: str, copies: int, train_rows: int) -> tuple[int, dict[str, Cost]]:
    """The number of flights, and what each stage costs on so many copies, in a fresh clone below ``folder``."""
    (folder / "source").mkdir(parents=True)
    rows = write_copies(folder / "source", copies)
    prepared(folder / "run", commit)
    declare(folder / "run/clone", folder / "source", copies, train_rows)
    cost("compose params.yaml", [sys.executable, "-m", "pipeline.params.compose"], folder / "run")
    costs = {}
    for stage in STAGES:
        command = ["dvc", "repro", "--single-item", stage]
        costs[stage] = cost(f"{copies} copies: {stage}", command, folder / "run", LOCAL)
    return rows, costs


def whole(costs: Mapping[str, Cost]) -> Cost:
    """What all stages took together."""
    every = list(costs.values())
    return Cost(sum(of.seconds for of in every), sum(of.busy for of in every), max(of.peak for of in every), "")


def show(copies: int, rows: int, costs: Mapping[str, Cost]) -> None:
    """A row for each stage and one for all."""
    console.print(f"\n{copies} {'copy' if copies == 1 else 'copies'}, {rows:,} flights")
    console.print(f"{'':16}{'time':>10}{'CPU':>12}{'peak':>12}{'time of 1,000 rows':>22}")
    for name, of in {**costs, "all": whole(costs)}.items():
        console.print(
            f"{name:16}{of.seconds:8.1f} s{of.busy:10.1f} s{of.peak / 1e9:9.2f} GB{of.seconds / rows * 1e6:19.2f} ms"
        )


def workers(folder: Path, count: int) -> None:
    """Preprocess by Dask workers beside one process, in turn, and whether dvc.lock is the same."""
    locks, costs = [], []
    for settings in (LOCAL, {"COMPUTE_ENGINE": "dask", "DASK_WORKERS": str(count)}):
        command = ["dvc", "repro", "--single-item", "--force", "preprocess"]
        costs.append(cost(f"preprocess with {settings}", command, folder / "run", settings | {"DVC_NO_RUN_CACHE": "1"}))
        lock: Mapping[str, Any] = load_mapping(folder / "run/clone/dvc.lock")
        locks.append(lock["stages"]["preprocess"]["outs"])
    alone, together = costs
    console.print(f"\nPreprocess: one process {alone.seconds:.1f} s, {count} Dask workers {together.seconds:.1f} s")
    console.print(f"dvc.lock is {'the same' if locks[0] == locks[1] else 'ANOTHER'} with the workers")
    judge(f"as fast with {count} workers", together.seconds / alone.seconds, 1 / LEAST_GAIN)


def compare(results: Mapping[int, tuple[int, Mapping[str, Cost]]]) -> None:
    """Holds the largest number of copies to the one before the last, and all to each other."""
    of = {copies: whole(costs) for copies, (_, costs) in results.items()}
    base, largest = 10 if 10 in of else min(of), max(of)
    each = {copies: of[copies].seconds / rows for copies, (rows, _) in results.items()}
    console.print()
    judge(f"peak at {largest} copies / at {base}", of[largest].peak / of[base].peak, MOST_GROWTH)
    judge(f"peak at {largest} copies in GB", of[largest].peak / 1e9, MOST_BYTES / 1e9)
    judge(f"time per row at {largest} copies / at {base}", each[largest] / each[base], MOST_TIME_PER_ROW)


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 10, 30, 100], help="of the table")
    parser.add_argument("--train-rows", type=int, default=500_000, help="so many rows are drawn where there are more")
    parser.add_argument("--workers", type=int, default=2, help="Dask workers on this machine")
    asked = parser.parse_args()
    commit, _, subject = git("log", "-1", "--format=%H %s").strip().partition(" ")
    load = f"{os.getloadavg()[0]:.1f} processes busy before it started"
    console.print(f"Timing {commit[:9]} ({subject}) on {os.cpu_count()} cores, {load}")
    console.print(f"Training draws {asked.train_rows:,} rows where there are more.")
    results = {}
    with suppress(KeyboardInterrupt), tempfile.TemporaryDirectory(prefix="ontime-bench-") as name:
        for copies in asked.copies:
            folder = Path(name) / str(copies)
            results[copies] = measure(folder, commit, copies, asked.train_rows)
            show(copies, *results[copies])
            if copies == sorted(asked.copies)[min(1, len(asked.copies) - 1)]:
                workers(folder, asked.workers)
            shutil.rmtree(folder)  # a hundred copies take gigabytes
        compare(results)
        return 0
    return 130


if __name__ == "__main__":
    sys.exit(main())
