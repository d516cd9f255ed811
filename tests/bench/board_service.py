"""Times the board: one flight's features, its start, questions beside the prediction service, a replay beside the recipe.

The log holds the look back of the first day of the test months, and the days that are replayed; SQLite keeps it. Prints rows
to compare and holds them to their targets; a missed one is said and is no error, because a busy machine can miss any.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import numpy as np
import pandas as pd
from servers import ROOT, Server, console, free_port, judge, serving

from board.tracking.source import Record, Source
from board.tracking.tables import Snapshot, Tables
from pipeline.clients.services import MOST_EVENTS
from pipeline.config.params_file import load_params
from pipeline.config.parsing import parse_settings
from pipeline.config.settings import Data
from pipeline.data.event_log import Event, Values
from pipeline.recipes import flights
from pipeline.recipes.flights import events, live
from pipeline.recipes.flights.timetable import scheduled_departures
from pipeline.recipes.loader import event_tables
from serving import load
from source_tables import read_tables

KEY = "ontime_development_key_of_the_prediction_service"
MODEL = Path(os.environ.get("MODEL_URI") or ROOT / "data/model")
FIRST_MOMENT = datetime(2013, 10, 1, 4, tzinfo=UTC)  # midnight in New York
LOOK_BACK = timedelta(days=flights.HISTORY_DAYS)
MOST_MS, MOST_TIMES, MOST_START_SECONDS = 2.0, 3.0, 5.0
MOST_REBUILDS = 10
OFFICIAL = "board_official_predictions_total"
PATIENCE_SECONDS = 600
MINUTE, DAY = 60, 86_400  # seconds


@dataclass(frozen=True)
class Log:
    """The raw tables, the events of the look back, and those of the days after it."""

    data: Data
    tables: dict[str, pd.DataFrame]
    before: list[Event]
    after: list[Event]

    @property
    def flight(self) -> Values:
        """The key of a flight that is announced, and not yet due."""
        return next(event.key for event in reversed(self.before) if "time_hour" in event.values and event.table == "flights")

    @property
    def options(self) -> flights.Options:
        """The options of the recipe."""
        return parse_settings(flights.Options, self.data.options, "data")


@dataclass(frozen=True)
class Services:
    """What the board asks."""

    data: Server
    prediction: Server


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=3, help="that are replayed after the look back")
    parser.add_argument("--rounds", type=int, default=5, help="of each of two services that are compared")
    parser.add_argument("--seconds", type=float, default=3, help="of load in a round")
    arguments = parser.parse_args()
    if not _schema().get("source"):
        sys.exit(f"{MODEL} should hold a model whose columns come from events; type `make repro` first.")
    console.print(f"The board on {os.cpu_count()} cores, {os.getloadavg()[0]:.1f} processes busy before it started")
    log = read_log(arguments.days)
    console.print(f"A log of {len(log.before):,} events in {LOOK_BACK.days} days of look back")
    one_flight(log)
    with tempfile.TemporaryDirectory(prefix="ontime-bench-") as name, running(Path(name)) as services:
        send(services.data, log.before)
        with board(Path(name), services) as ours:
            started(ours, "32 days of log")
            questions(Path(name), ours, services.prediction, log, arguments.rounds, arguments.seconds)
            sent = after_news(ours, services.data, log)
            replay(ours, services.data, log, sent)
            show("resident memory of the board after it", ours.resident_mb, "MB")
        with board(Path(name), services) as again:
            started(again, "again after the replay")


def read_log(days: int) -> Log:
    """The log that begins 32 days before the first moment of the test months, and ends some days after it."""
    data = load_params().data
    tables = read_tables(data)
    end = FIRST_MOMENT + timedelta(days=days)
    log = list(events.events(tables, event_tables(data), FIRST_MOMENT - LOOK_BACK, end))
    count = bisect_left(log, FIRST_MOMENT, key=lambda event: event.known_at)
    return Log(data, tables, log[:count], log[count:])


def one_flight(log: Log, questions: int = 500) -> None:
    """Rows on the features of one flight in this process, and on taking up news before."""
    tables = Tables(source := Source({"name": "flights", "version": "1", "schema": _schema()}))
    _, fold = _timed(lambda: tables.apply(list(enumerate(log.before, 1))))
    news, rebuilds = log.after[:MOST_REBUILDS], []
    for position, event in enumerate(news, len(log.before) + 1):
        tables.apply([(position, event)])
        rebuilds.append(_timed(lambda: _record(source, tables.snapshot(), 0))[1])
    moments = np.array((snapshot := tables.snapshot()).moments)
    watermark = snapshot.watermark.timestamp() // MINUTE
    recent = np.flatnonzero((moments <= watermark) & (moments > watermark - DAY // MINUTE))
    places = random.Random(1).sample(recent.tolist(), questions)
    busy = time.thread_time()
    seconds = sorted(_timed(lambda place=place: _record(source, snapshot, place))[1] for place in places)
    busy = (time.thread_time() - busy) / questions
    console.print(f"\nIn process, {questions} flights of the last day one by one")
    show("fold of all events", fold, "s")
    show("indexes anew, after news", 1000 * median(rebuilds), "ms")
    judge("features of one flight, p50, ms", 1000 * seconds[questions // 2], most=MOST_MS)
    judge("features of one flight, p99, ms", 1000 * seconds[questions * 99 // 100], most=MOST_MS)
    show("its processor time, mean", 1000 * busy, "ms")


def _record(source: Source, snapshot: Snapshot, place: int) -> Record:
    """What the model takes of the row at a place, as of its own moment, or the watermark before."""
    moment = min(snapshot.moments[place], int(snapshot.watermark.timestamp()) // MINUTE)
    (record,) = source.records_at(snapshot.history, [place], [moment])
    return record


@contextmanager
def running(folder: Path) -> Iterator[Services]:
    """The data service on SQLite, and the prediction service, which delivers to it."""
    ports = [free_port() for _ in range(2)]
    data = _serve(
        folder, "data_api", ports[0], "src:db", DATABASE_URL=f"sqlite:///{folder}/ontime.db", LIVE_REFRESH_SECONDS="86400"
    )
    with data as data_service:
        prediction = _serve(
            folder, "prediction_api", ports[1], "src:serving", MODEL_URI=str(MODEL), OUTBOX_DIR=str(folder / "outbox"),
            DATA_API_URL=url(data_service), DATA_API_KEY=KEY,
        )  # fmt: skip
        with prediction as prediction_service:
            yield Services(data_service, prediction_service)


def board(folder: Path, services: Services) -> AbstractContextManager[Server]:
    """A board, which is ready when it has read the log."""
    return _serve(
        folder, "board", free_port(), "src:serving", DATA_API_URL=url(services.data), DATA_API_KEY=KEY,
        PREDICTION_API_URL=url(services.prediction),
    )  # fmt: skip


def _serve(folder: Path, module: str, port: int, path: str, **settings: str) -> AbstractContextManager[Server]:
    command, log = [sys.executable, "-m", module], folder / f"{module}-{port}.log"
    environment = {f"{module.upper()}_PORT": str(port), "PYTHONPATH": path, "ACCESS_LOG": "false", **settings}
    return serving(command, port, "/readyz", log, ENVIRONMENT="development", **environment)


def send(data: Server, log: Sequence[Event]) -> None:
    """Sends events to the data service."""
    with httpx.Client(base_url=url(data), headers={"x-api-key": KEY}, timeout=60) as client:
        for start in range(0, len(log), MOST_EVENTS):
            batch = [event.as_json() for event in log[start : start + MOST_EVENTS]]
            client.post("/events", json={"events": batch}).raise_for_status()


def started(server: Server, log: str) -> None:
    """A row on the start of a board."""
    console.print()
    judge(f"start of the board to ready, {log}, s", server.seconds, most=MOST_START_SECONDS)
    show("its processor time", server.processor_seconds, "s")
    show("its resident memory", server.resident_mb, "MB")


def questions(folder: Path, ours: Server, prediction: Server, log: Log, rounds: int, seconds: float) -> None:
    """Rows on POST /predictions about a flight, beside /predict of the prediction service with its features."""
    question = {"flight": log.flight}
    answer = httpx.post(f"{url(ours)}/predictions", json=question).raise_for_status().json()
    (asked := folder / "question.json").write_text(json.dumps(question))
    (ready := folder / "features.json").write_text(json.dumps(answer["features"]))
    console.print(f"\nOne flight a request, {rounds} rounds of {seconds:g} s in turn")
    console.print(f"{'':48}{'answers/s':>10}{'p50':>10}{'p99':>10}")
    for clients in (1, 8):
        turns = [
            (
                load(ours, "/predictions", asked, seconds, clients),
                load(prediction, "/predict", ready, seconds, clients),
            )
            for _ in range(rounds)
        ]
        words = "1 client" if clients == 1 else f"{clients} clients"
        names = f"A  POST /predictions of the board, {words}", f"B  POST /predict with the features, {words}"
        for name, turn in zip(names, zip(*turns, strict=True), strict=True):
            speed, half, most = (median(told[key] for told in turn) for key in ("per_second", "p50", "p99"))
            console.print(f"{name:48}{speed:10,.0f}{half * 1e3:7.2f} ms{most * 1e3:7.2f} ms")
        judge(f"A / B in p50, {words}", median(a["p50"] / b["p50"] for a, b in turns), most=MOST_TIMES)


def after_news(ours: Server, data: Server, log: Log) -> int:
    """A row on the first question after an event; gives how many events it sent."""
    seconds = []
    for number in range(MOST_REBUILDS):
        send(data, log.after[number : number + 1])
        wait(lambda number=number: metric(ours, "board_position") == len(log.before) + number + 1)
        answer, duration = _timed(lambda: httpx.post(f"{url(ours)}/predictions", json={"flight": log.flight}))
        answer.raise_for_status()
        seconds.append(duration)
    console.print()
    show("POST /predictions after an event, median", 1000 * median(seconds), "ms")
    return MOST_REBUILDS


def replay(ours: Server, data: Server, log: Log, sent: int) -> None:
    """Rows on the time from the first event of some days to the last official prediction, beside the recipe's own."""
    count, seconds = replayed(ours, data, log, sent)
    tables = {**log.tables, "flights": flights_of(log)}
    frame, offline = _timed(lambda: flights.features(tables, log.options))
    console.print(f"\n{count:,.0f} flights predicted")
    console.print(f"{'C  replay through all services':48}{count / seconds:10,.0f} flights/s")
    console.print(f"{'D  the recipe offline':48}{len(frame) / offline:10,.0f} flights/s")


def replayed(ours: Server, data: Server, log: Log, sent: int) -> tuple[float, float]:
    """Sends the events after the first ``sent`` ones: how many flights are predicted, and in how many seconds."""
    moments = live.moments(flights_of(log), log.options)
    first, last = (int(moment.timestamp()) // MINUTE for moment in (FIRST_MOMENT, log.after[-1].known_at))
    count = int(((moments >= first) & (moments < last)).sum())
    before = metric(ours, OFFICIAL)
    start = time.perf_counter()
    send(data, log.after[sent:])
    wait(lambda: metric(ours, OFFICIAL) == count)
    return count - before, time.perf_counter() - start


def show(what: str, value: float, unit: str) -> None:
    """A row without a target."""
    console.print(f"{what:48}{value:8.2f} {unit}")


def flights_of(log: Log) -> pd.DataFrame:
    """The flights that the log announces."""
    due = scheduled_departures(table := log.tables["flights"]) * MINUTE
    low, high = (FIRST_MOMENT - LOOK_BACK).timestamp(), log.after[-1].known_at.timestamp() + 2 * DAY
    return table[(due >= low) & (due < high)]


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """The result of a call, and the seconds that it took."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def metric(server: Server, name: str) -> float:
    """The value of a metric of a board, over all labels."""
    text = httpx.get(f"{url(server)}/metrics").text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name} "))


def wait(true: Callable[[], bool]) -> None:
    """Returns once a condition holds; ends the program where that takes too long."""
    until = time.perf_counter() + PATIENCE_SECONDS
    while not true():
        if time.perf_counter() > until:
            sys.exit(f"The board should have come this far in {PATIENCE_SECONDS} seconds, and has not.")
        time.sleep(0.02)


def _schema() -> Any:
    return json.loads((MODEL / "schema.json").read_text())


def url(server: Server) -> str:
    """The address of a server."""
    return f"http://127.0.0.1:{server.port}"


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
