"""Times batches of 1,000 records as JSON and as Arrow streams, beside ONNX Runtime's own session on ready arrays.

The session has one thread, as in the service. The service answers one request after another, as the session does, and then
over 8 connections; its outbox is on. Prints rows per second, and the processor time of the service.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from servers import ROOT, Server, console, free_port, judge, serving

from prediction_api.model import artifact
from prediction_api.model.onnx_model import OnnxModel

MODEL, TEST = ROOT / "data/model", ROOT / "data/processed/test"
ROWS, CONNECTIONS, LEAST_SHARE = 1000, (1, 8), 0.7
JSON, ARROW = "application/json", "application/vnd.apache.arrow.stream"


def write_bodies(folder: Path) -> dict[str, Path]:
    """The same flights of the test table in both forms, by media type."""
    names = [column["name"] for column in json.loads((MODEL / "schema.json").read_text())["columns"]]
    table = pq.read_table(TEST, columns=names).slice(0, ROWS).combine_chunks()
    records = [
        {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
        for row in table.to_pylist()
    ]
    (folder / "json").write_text(json.dumps({"records": records}))
    with pa.OSFile(str(folder / "arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    return {JSON: folder / "json", ARROW: folder / "arrow"}


def session_rows(body: Path, seconds: float) -> float:
    """Rows per second of the model's own session, on arrays that are ready."""
    model = OnnxModel(artifact.read(MODEL))
    inputs = model.column_inputs(model.columns.batch(body.read_bytes()))
    runs, start = 0, time.perf_counter()
    while (now := time.perf_counter()) < start + seconds:
        model.probabilities(inputs)
        runs += 1
    return ROWS * runs / (now - start)


def service_rows(server: Server, kind: str, body: Path, seconds: float, connections: int) -> tuple[float, float]:
    """Rows per second of the service, and its processor time in milliseconds for 1,000 rows, warming up included."""
    load = [
        sys.executable,
        str(Path(__file__).parent / "load.py"),
        "127.0.0.1",
        str(server.port),
        "/predict/batch",
        str(body),
    ]
    options = ["--type", kind, "--seconds", str(seconds), "--connections", str(connections)]
    before = server.processor_seconds
    done = subprocess.run([*load, *options], capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    if result["failed"] or not result["count"]:
        sys.exit(f"{kind}: {result['failed']} of {result['count']:g} requests were not answered with 200.")
    batches = result["per_second"] * (seconds + 1)  # load.py warms up for a second
    return ROWS * result["per_second"], 1e3 * (server.processor_seconds - before) / batches


def service(folder: Path) -> Any:
    """The prediction service with its defaults, and room in the outbox for the whole run."""
    port = free_port()
    settings = {"MODEL_URI": MODEL, "OUTBOX_DIR": folder / "outbox", "OUTBOX_MAX_BYTES": 2**36, "PREDICTION_API_PORT": port}
    texts = {name: str(value) for name, value in settings.items()}
    return serving(
        [sys.executable, "-m", "prediction_api"], port, "/readyz", folder / "log", PYTHONPATH="src:serving", **texts
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of all that are compared, in turn")
    parser.add_argument("--seconds", type=float, default=3, help="of load in a round")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ontime-bench-") as name, service(Path(name)) as server:
        bodies = write_bodies(Path(name))
        alone: list[float] = []
        speeds: dict[tuple[str, int], list[tuple[float, float]]] = {(kind, n): [] for kind in bodies for n in CONNECTIONS}
        for _ in range(options.rounds):
            alone.append(session_rows(bodies[ARROW], options.seconds))
            for (kind, connections), measured in speeds.items():
                measured.append(service_rows(server, kind, bodies[kind], options.seconds, connections))
    report(alone, speeds)


def report(alone: list[float], speeds: dict[tuple[str, int], list[tuple[float, float]]]) -> None:
    """Prints the medians, and holds Arrow to its share of the session's speed."""
    console.print(f"\nBatches of {ROWS:,} records, {len(alone)} rounds in turn")
    console.print(f"{'':44}{'connections':>12}{'rows/s':>10}{'CPU a batch':>14}")
    console.print(f"{'ONNX Runtime, one session, ready arrays':44}{'':12}{median(alone):10,.0f}")
    for (kind, connections), measured in speeds.items():
        rows, milliseconds = (median(values) for values in zip(*measured, strict=True))
        console.print(f"{kind:44}{connections:12}{rows:10,.0f}{milliseconds:11.1f} ms")
    for connections in CONNECTIONS:
        shares = [rows / session for (rows, _), session in zip(speeds[ARROW, connections], alone, strict=True)]
        judge(f"Arrow / session in rows per second, {connections} at a time", median(shares), least=LEAST_SHARE)


if __name__ == "__main__":
    main()
