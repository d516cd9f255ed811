"""Times the prediction service beside ONNX Runtime's own session and beside the servers of others, with the same graph.

The others check no value and keep no prediction. All servers answer the same flights over 8 connections, in turn, so that a
busy machine slows all; those that are not asked stand still. Before, the probabilities of each are held to the session's.
"""

import argparse
import datetime
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import product
from pathlib import Path
from statistics import median

import onnxruntime
from contenders import OURS, Contender, contenders, save_for_mlflow
from flight_requests import MODEL, ROWS, Flights, Request
from servers import Server, console, free_port, judge, serving

from prediction_api.model.onnx_model import OUTPUT

HERE = Path(__file__).parent
CONNECTIONS, MOST_DIFFERENCE = 8, 1e-6
LEAST_SHARE, LEAST_TIMES = 0.7, 1.0
ALONE = ("JSON", "Arrow", "OIP")  # what the service is also asked one at a time, as the session is
Session = dict[int, list[float]]  # runs a second, by the threads of the session
# Answers a second and CPU seconds, by server, request and connections.
Speeds = dict[tuple[str, str, int], list[tuple[float, float]]]


@contextmanager
def running(started: Sequence[Contender], folder: Path) -> Iterator[dict[str, Server]]:
    """Runs all servers until the block ends."""
    with ExitStack() as stack:
        servers = {}
        for contender in started:
            port, log = free_port(), folder / f"{contender.name}.log"
            server = serving(contender.command(port), port, contender.ready, log, **contender.environment(port))
            servers[contender.name] = stack.enter_context(server)
        yield servers


def hold_to_session(name: str, server: Server, request: Request, flights: Flights) -> None:
    """Ends the run where a server gives other probabilities than the session."""
    question = urllib.request.Request(f"http://127.0.0.1:{server.port}{request.path}", request.body, dict(request.headers))
    with urllib.request.urlopen(question, timeout=60) as answer:
        probabilities = request.read(answer.read())
    expected = flights.probabilities if len(probabilities) > 1 else flights.probabilities[:1]
    differences = [abs(theirs - ours) for theirs, ours in zip(probabilities, expected, strict=False)]
    if len(probabilities) != len(expected) or max(differences) > MOST_DIFFERENCE:
        sys.exit(f"{request.path} of {name} should give the probabilities {expected[:3]}; it gives {probabilities[:3]}.")


def load(server: Server, request: Request, body: Path, seconds: float, connections: int) -> tuple[float, float]:
    """Answers per second, and processor time in seconds for each, of all processes of the server."""
    command = [sys.executable, str(HERE / "load.py"), "127.0.0.1", str(server.port), request.path, str(body)]
    headers = [word for name, value in request.headers.items() for word in ("--header", f"{name}: {value}")]
    options = ["--seconds", str(seconds), "--connections", str(connections)]
    before = server.processor_seconds
    done = subprocess.run([*command, *headers, *options], capture_output=True, text=True, check=True)
    used = server.processor_seconds - before
    result: dict[str, float] = json.loads(done.stdout)
    if result["failed"] or not result["count"]:
        sys.exit(f"{request.path}: {result['failed']} of {result['count']:g} requests were not answered with 200.")
    return result["per_second"], used / result["all"]


def session_speed(flights: Flights, seconds: float, threads: int) -> float:
    """Runs per second of a session of the graph with so many threads on arrays that are ready."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(MODEL / "model.onnx", options)
    runs, start = 0, time.perf_counter()
    while (now := time.perf_counter()) < start + seconds:
        session.run([OUTPUT], flights.arrays)
        runs += 1
    return runs / (now - start)


def measure(
    servers: Mapping[str, Server],
    requests: Mapping[str, Mapping[str, Request]],
    flights: Flights,
    rounds: int,
    seconds: float,
) -> tuple[Session, Speeds]:
    """Speeds of the session and of everything that is asked, in turn."""
    session: Session = {1: [], os.cpu_count() or 1: []}
    speeds: Speeds = {}
    with tempfile.TemporaryDirectory(prefix="ontime-bench-") as name:
        body = Path(name) / "body"
        for _ in range(rounds):
            for threads in session:
                session[threads].append(session_speed(flights, seconds, threads))
            for server, asked in requests.items():
                for kind, request in asked.items():
                    body.write_bytes(request.body)
                    for connections in (1, CONNECTIONS) if server == OURS and kind in ALONE else (CONNECTIONS,):
                        with servers[server].running():
                            speed = load(servers[server], request, body, seconds, connections)
                        speeds.setdefault((server, kind, connections), []).append(speed)
    return session, speeds


def report(session: Session, speeds: Speeds, servers: Mapping[str, Server]) -> None:
    """Prints the medians beside those of the service, and holds the service to its targets."""
    console.print(f"\n{'':58}{'records/s':>11}{'service / it':>14}{'CPU a request':>15}{'start':>9}{'resident':>10}")
    for threads, runs in session.items():
        title = f"ONNX Runtime, one session, {threads} thread{'s' * (threads > 1)}, ready arrays"
        console.print(f"{title:58}{ROWS * median(runs):11,.0f}")
    for (name, kind, connections), measured in speeds.items():
        speed, processor = (median(values) for values in zip(*measured, strict=True))
        title = f"{name}, {'a record' if kind == 'one' else f'{ROWS:,} as {kind}'} a request, {connections} at a time"
        ratio = "" if name == OURS else f"{_ratio(speeds, name, kind):14.1f}"
        memory = f"{servers[name].seconds:7.1f} s{servers[name].resident_mb:7.0f} MB" if kind == "one" else ""
        console.print(
            f"{title:58}{(1 if kind == 'one' else ROWS) * speed:11,.0f}{ratio:14}{1e3 * processor:12.2f} ms{memory}"
        )
    for kind, connections in product(("Arrow", "OIP"), (1, CONNECTIONS)):
        measured = zip(speeds[OURS, kind, connections], session[1], strict=True)
        share = median(speed / alone for (speed, _), alone in measured)
        judge(f"{kind} / session, {connections} at a time", share, least=LEAST_SHARE)
    for name in (name for name in servers if name != OURS):
        judge(f"service / {name}, single records", _ratio(speeds, name, "one"), least=LEAST_TIMES)
        judge(f"service / {name}, batches as JSON", _ratio(speeds, name, "JSON"), least=LEAST_TIMES)


def _ratio(speeds: Speeds, name: str, kind: str) -> float:
    """How many times as many answers the service gives: the median of the rounds."""
    pairs = zip(speeds[OURS, kind, CONNECTIONS], speeds[name, kind, CONNECTIONS], strict=True)
    return median(ours / theirs for (ours, _), (theirs, _) in pairs)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of all that are compared, in turn")
    parser.add_argument("--seconds", type=float, default=3, help="of load in a round")
    options = parser.parse_args()
    now = datetime.datetime.now(datetime.UTC)
    console.print(
        f"\nBeside other servers, {now:%Y-%m-%d %H:%M} UTC, {os.cpu_count()} processors of {platform.machine()}, "
        f"{os.getloadavg()[0]:.1f} processes busy before; rounds in turn: {options.rounds} of {options.seconds:g} s"
    )
    flights = Flights()
    with tempfile.TemporaryDirectory(prefix="ontime-bench-") as name:
        folder = Path(name)
        save_for_mlflow(flights, folder / "mlflow")
        started = contenders(folder)
        with running(started, folder) as servers:
            requests = {contender.name: contender.requests(flights) for contender in started}
            for contender, asked in requests.items():
                for request in asked.values():
                    hold_to_session(contender, servers[contender], request, flights)
                servers[contender].signal(signal.SIGSTOP)
            session, speeds = measure(servers, requests, flights, options.rounds, options.seconds)
            report(session, speeds, servers)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
