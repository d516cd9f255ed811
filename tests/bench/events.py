"""Times POST /events beside a bare bulk insert, and GET /events and its watermark on a log of up to a million events.

All on one PostgreSQL server, started from a wheel with its default settings. The events are those of flights: the timetable,
the departure and the arrival of each. Prints rows to compare and holds them to their targets; a missed one is no error.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

from database import A_DAY, KEY, ask, compare_inserts, database, insert_bare, running, service
from servers import Server, console, judge

from data_api.database.engine import create_engine_for
from data_api.models import Event
from data_api.schemas.events import event_id

MOST_SECONDS, MOST_WATERMARK_MS = 5.0, 20.0
LOOK_BACK = 100_000  # events of 32 days of flights
FIRST = datetime(2013, 1, 1, tzinfo=UTC)
AUTHORIZED = {"x-api-key": KEY}
NUMBER, CATEGORY = {"kind": "number", "nullable": False}, {"kind": "category", "nullable": False}
DELAY = {"kind": "number", "minimum": -180, "maximum": 2000}
TABLES = {
    "flights": {
        "key": ["year", "month", "day", "carrier", "flight", "origin"],
        "columns": {
            **dict.fromkeys(("year", "month", "day", "flight", "sched_dep_time", "sched_arr_time"), NUMBER),
            **dict.fromkeys(("distance", "minute"), NUMBER),
            **dict.fromkeys(("dep_delay", "arr_delay"), DELAY),
            **dict.fromkeys(("carrier", "dest"), CATEGORY),
            "tailnum": {"kind": "category"},
            "origin": {**CATEGORY, "categories": ["EWR", "JFK", "LGA"]},
            "time_hour": {"kind": "datetime", "nullable": False},
        },
    },
    "weather": {"key": ["origin"], "columns": {"origin": CATEGORY, "humid": {"kind": "number"}}},
}


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="of each way to insert, 10,000 events in a round")
    parser.add_argument("--many", type=int, default=1_000_000, help="events in the log that is read")
    asked = parser.parse_args()
    console.print(f"Events on {os.cpu_count()} cores, {os.getloadavg()[0]:.1f} processes busy before it started")
    with tempfile.TemporaryDirectory(prefix="ontime-bench-") as name, running() as server:
        urls = [database(server.url, way) for way in ("through_the_route", "bare")]
        with service(Path(name), urls[0]) as ours, service(Path(name), urls[1]):  # both have made their tables
            declare(ours)
            days = flights()
            inserts(ours, urls[1], days, asked.rounds)
            reads(ours, days, asked.many - (1 + asked.rounds) * A_DAY)


def flights() -> Iterator[list[dict[str, Any]]]:
    """The events of flights in the order of time, 10,000 at once; a flight has three, 25 seconds apart."""
    number = 0
    while True:
        events = []
        for _ in range(A_DAY):
            number, flight = number + 1, number // 3
            moment = FIRST + timedelta(seconds=25 * number)
            key = {
                "year": moment.year, "month": moment.month, "day": moment.day, "carrier": "UA",
                "flight": 1 + flight % 9999, "origin": "EWR",
            }  # fmt: skip
            timetable = {
                "sched_dep_time": 515, "sched_arr_time": 819, "tailnum": f"N{flight % 4000:05}", "dest": "IAH",
                "distance": 1400, "minute": 15, "time_hour": "2013-01-01T10:00:00Z",
            }  # fmt: skip
            values = (timetable, {"dep_delay": 2}, {"arr_delay": 11})[number % 3]
            events.append({"table": "flights", "key": key, "known_at": moment.isoformat(), "values": values})
        yield events


def declare(server: Server) -> None:
    body = {"model_name": "flights", "reference": {"columns": {}, "probability": None}, "tables": TABLES}
    address, headers = f"http://127.0.0.1:{server.port}/models/one", {"content-type": "application/json", **AUTHORIZED}
    urllib.request.urlopen(urllib.request.Request(address, json.dumps(body).encode(), headers, method="PUT")).read()


def inserts(ours: Server, bare_url: str, days: Iterator[list[dict[str, Any]]], rounds: int) -> None:
    """Prints rows on 10,000 events in one request, beside SQLAlchemy's own bulk insert of such rows."""
    engine, turns = create_engine_for(bare_url), []
    for number in range(1 + rounds):
        events = next(days)
        body = json.dumps({"events": events}).encode()
        start = time.perf_counter()
        ask(ours, "/events", body, AUTHORIZED)
        through = time.perf_counter() - start
        turns.append((through, insert_bare(engine, Event, bare(events, number * A_DAY), "event_id")))
    engine.dispose()
    console.print(f"\n10,000 events at once, {len(body) / A_DAY:.0f} bytes each, {rounds} rounds in turn")
    compare_inserts("POST /events", turns[1:])


def bare(events: Sequence[Any], after: int) -> list[dict[str, Any]]:
    """Events as SQLAlchemy takes them."""
    rows = [{**event, "known_at": datetime.fromisoformat(event["known_at"])} for event in events]
    return [
        {
            "event_id": event_id(row), "position": position, "table_name": row["table"], "key": row["key"],
            "changes": row["values"], "known_at": row["known_at"], "received_at": row["known_at"],
        }
        for position, row in enumerate(rows, after + 1)
    ]  # fmt: skip


def reads(ours: Server, days: Iterator[list[dict[str, Any]]], more: int) -> None:
    """Rows on reading 100,000 events, on the watermark, and on waiting for news, with so many more events in the log."""
    for _ in range(more // A_DAY):
        ask(ours, "/events", json.dumps({"events": next(days)}).encode(), AUTHORIZED)
    newest = ask(ours, "/events/watermark", None, AUTHORIZED)
    since = newest["position"] - LOOK_BACK
    moment = (datetime.fromisoformat(newest["watermark"]) - timedelta(seconds=25 * LOOK_BACK)).isoformat()
    console.print(f"\nA log of {newest['position']:,} events")
    judge("100,000 events after a position, s", follow(ours, after=since), most=MOST_SECONDS)
    judge("100,000 events from a moment, s", follow(ours, after=0, **{"from": moment}), most=MOST_SECONDS)
    judge("100,000 events of a table, s", follow(ours, after=0, table="flights", **{"from": moment}), most=MOST_SECONDS)
    judge("GET /events/watermark, ms", 1000 * timed(ours, "/events/watermark"), most=MOST_WATERMARK_MS)
    judge("GET /events without news, ms", 1000 * timed(ours, f"/events?after={newest['position']}"), most=MOST_WATERMARK_MS)
    judge("GET /events of a silent table, ms", 1000 * timed(ours, "/events?table=weather"), most=MOST_WATERMARK_MS)


def follow(ours: Server, after: int, **query: str) -> float:
    """The seconds to read LOOK_BACK events, page by page, without decoding more than the last line of each."""
    start, lines = time.perf_counter(), 0
    while lines < LOOK_BACK:
        page = fetched(ours, "/events?" + urlencode({"after": after, **query})).splitlines()
        lines, after = lines + len(page), json.loads(page[-1])["position"]
    return time.perf_counter() - start


def timed(ours: Server, path: str) -> float:
    """The median seconds of an answer."""
    seconds = []
    for _ in range(20):
        start = time.perf_counter()
        fetched(ours, path)
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def fetched(ours: Server, path: str) -> bytes:
    request = urllib.request.Request(f"http://127.0.0.1:{ours.port}{path}", headers=AUTHORIZED)
    content: bytes = urllib.request.urlopen(request, timeout=120).read()
    return content


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
