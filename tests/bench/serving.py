"""Times the prediction service beside an endpoint that does nothing, with its reasons and over whole files, in one run.

Each server has one worker and answers the same record over 8 connections, in turn, so that a busy machine slows all. Prints
rows to compare and holds them to their targets; a missed one is said and is no error, because a busy machine can miss any.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow.parquet as pq
from servers import ROOT, Server, console, free_port, judge, serving

HERE = Path(__file__).parent
MODEL, TRAIN, TEST = (ROOT / "data" / name for name in ("model", "processed/train", "processed/test"))
LEAST_SHARE, MOST_TIMES_P99 = 0.9, 2.0
MOST_START_SECONDS, MOST_RESIDENT_MB, MOST_IMAGE_MB, MOST_SCORE_MB, COPIES = 1.5, 130, 350, 400, 10
REASONS, MOST_REASONS_MS = "reasons=true", 10.0
IMAGE = "ontime-prediction-api"


def load(server: Server, path: str, body: Path, seconds: float, connections: int = 8) -> dict[str, float]:
    """What `load.py` measures: answers per second, p50 and p99 in seconds."""
    command = [sys.executable, str(HERE / "load.py"), "127.0.0.1", str(server.port), path, str(body)]
    done = subprocess.run(
        [*command, "--seconds", str(seconds), "--connections", str(connections)], capture_output=True, text=True, check=True
    )
    told: dict[str, float] = json.loads(done.stdout)
    if told["failed"] or not told["count"]:
        sys.exit(f"{path}: {told['failed']} of {told['count']:g} requests were not answered with 200.")
    return told


def service(folder: Path, number: int = 0) -> Any:
    """The prediction service with its defaults, the outbox and the metrics on."""
    port = free_port()
    settings = {"MODEL_URI": str(MODEL), "OUTBOX_DIR": str(folder / f"outbox-{number}"), "PREDICTION_API_PORT": str(port)}
    command = [sys.executable, "-m", "prediction_api"]
    return serving(command, port, "/readyz", folder / f"service-{number}.log", PYTHONPATH="src:serving", **settings)


def body(folder: Path) -> Path:
    """A request with one record, the schema's own example."""
    schema = json.loads((MODEL / "schema.json").read_text())
    (one := folder / "one.json").write_text(json.dumps({column["name"]: column["example"] for column in schema["columns"]}))
    return one


def beside_no_op(folder: Path, one: Path, rounds: int, seconds: float) -> None:
    """Rows on one record at a time."""
    port = free_port()
    idle = serving(
        [sys.executable, str(HERE / "empty_endpoint.py"), str(MODEL), str(port)],
        port,
        "/docs",
        folder / "no-op.log",
        PYTHONPATH="src:serving",
    )
    with idle as no_op, service(folder) as ours:
        turns = [[load(server, "/predict", one, seconds) for server in (ours, no_op)] for _ in range(rounds)]
        start, resident = ours.seconds, ours.resident_mb
    console.print(f"\nOne record a request, 8 connections, {rounds} rounds of {seconds:g} s in turn")
    console.print(f"{'':36}{'answers/s':>10}{'p50':>10}{'p99':>10}")
    for name, told in zip(
        ("A  prediction service", "B  FastAPI endpoint that does nothing"), zip(*turns, strict=True), strict=True
    ):
        speed, half, most = (median(one[key] for one in told) for key in ("per_second", "p50", "p99"))
        console.print(f"{name:36}{speed:10,.0f}{half * 1e3:7.2f} ms{most * 1e3:7.2f} ms")
    judge("A / B in answers per second", median(a["per_second"] / b["per_second"] for a, b in turns), least=LEAST_SHARE)
    judge("A / B in p99", median(a["p99"] / b["p99"] for a, b in turns), most=MOST_TIMES_P99)
    judge("start of A to ready, seconds", start, most=MOST_START_SECONDS)
    judge("resident memory of A after single records, MB", resident, most=MOST_RESIDENT_MB)


def with_reasons(folder: Path, one: Path, rounds: int, seconds: float) -> None:
    """Rows on one record at a time with its reasons, beside the same without them, asked of one server in turn."""
    asked = [(path, connections) for connections in (1, 8) for path in ("/predict", f"/predict?{REASONS}")]
    with service(folder, 2) as ours:
        turns = [[load(ours, path, one, seconds, connections) for path, connections in asked] for _ in range(rounds)]
    console.print(f"\nOne record a request, with its reasons and without, {rounds} rounds of {seconds:g} s in turn")
    console.print(f"{'':36}{'connections':>12}{'answers/s':>10}{'p50':>10}{'p99':>10}")
    for (path, connections), told in zip(asked, zip(*turns, strict=True), strict=True):
        speed, half, most = (median(one[key] for one in told) for key in ("per_second", "p50", "p99"))
        console.print(f"{path:36}{connections:12}{speed:10,.0f}{half * 1e3:7.2f} ms{most * 1e3:7.2f} ms")
        if REASONS in path:
            judge(f"p99 with reasons, {connections} at a time, ms", most * 1e3, most=MOST_REASONS_MS)


def files(folder: Path, in_memory: dict[str, float]) -> None:
    """Rows on `score` over the whole table and ten times that, beside predict_proba on a frame in memory."""
    tables = [pq.read_table(path) for path in (TRAIN, TEST)]
    schema = tables[0].schema
    rows: list[tuple[str, int, float, float]] = []
    for copies in (1, COPIES):
        with pq.ParquetWriter(folder / f"table-{copies}.parquet", schema) as writer:
            for table in tables * copies:
                writer.write_table(table.cast(schema))
        command = [
            sys.executable,
            "-m",
            "prediction_api",
            "score",
            str(folder / f"table-{copies}.parquet"),
            str(folder / "scores.parquet"),
        ]
        start = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--model", str(MODEL)],
            env={**os.environ, "PYTHONPATH": "src:serving"},
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{' '.join(command)} ended with {process.returncode}.")
        rows.append(
            (
                f"A  score, {copies} x the table",
                sum(t.num_rows for t in tables) * copies,
                time.perf_counter() - start,
                usage.ru_maxrss / 1024,
            )
        )
    console.print(f"\n{'':40}{'rows':>12}{'time':>10}{'peak':>11}")
    for name, count, seconds, peak in rows:
        console.print(f"{name:40}{count:12,}{seconds:8.2f} s{peak:8.0f} MB")
    console.print(f"{'D  predict_proba of a frame in memory':40}{in_memory['rows']:12,.0f}{in_memory['seconds']:8.2f} s")
    judge("A / D in time, one table", rows[0][2] / in_memory["seconds"], most=1.0)
    judge(f"peak of A, {COPIES} x the table, MB", rows[-1][3], most=MOST_SCORE_MB)


def image() -> None:
    """The size of the image, where an engine has built it."""
    try:
        done = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, text=True, check=False)
        size = json.loads(done.stdout)[0]["Size"] / 1e6 if done.returncode == 0 else None
    except OSError:
        size = None
    if size is None:
        console.print(f"\nno image {IMAGE} here: `docker build -f serving/Dockerfile -t {IMAGE} .` makes it")
    else:
        console.print()
        judge("image, MB", size, most=MOST_IMAGE_MB)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of each of the two servers that are compared")
    parser.add_argument("--seconds", type=float, default=5, help="of load in a round")
    asked = parser.parse_args()
    if not (MODEL / "metadata.json").is_file():
        sys.exit("There is no model to serve: type `make repro` first.")
    console.print(f"Serving on {os.cpu_count()} cores, {os.getloadavg()[0]:.1f} processes busy before it started")
    with tempfile.TemporaryDirectory(prefix="ontime-bench-") as name:
        folder = Path(name)
        with console.status("fit the estimator once more"):
            done = subprocess.run(
                [sys.executable, str(HERE / "estimator.py")], cwd=ROOT, capture_output=True, text=True, check=False,
                env={**os.environ, "PYTHONPATH": "src", "GOMP_SPINCOUNT": "1000"},
            )  # fmt: skip
        if done.returncode:
            sys.exit(done.stderr)
        one = body(folder)
        beside_no_op(folder, one, asked.rounds, asked.seconds)
        with_reasons(folder, one, max(1, asked.rounds // 2), asked.seconds)
        files(folder, json.loads(done.stdout.splitlines()[-1]))
        image()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
