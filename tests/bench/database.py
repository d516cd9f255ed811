"""Times the data service beside a bare bulk insert, and one day of 100,000 stored predictions beside one of 10 million.

All on one PostgreSQL server, started from a wheel with its default settings, and in turn, so that a busy machine slows all.
Prints rows to compare and holds them to their targets; a missed one is said and is no error.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import psycopg
from rich.progress import track
from servers import Server, console, free_port, judge, serving
from sqlalchemy import Engine, insert, make_url
from uuid_utils import uuid7

from data_api.database import partitions
from data_api.database.engine import create_engine_for, transaction
from data_api.database.uuid7 import first_at
from data_api.models import Event, Outcome, Prediction
from db.postgresql_server import PostgresqlServer, plain

KEY, PASSWORD = "ontime_development_key_of_the_prediction_service", "development"
LEAST_SHARE, MOST_TIMES = 0.5, 3.0
A_DAY, FEW, MANY = 10_000, 100_000, 10_000_000
FEATURES = {
    "carrier": "UA", "origin": "EWR", "dest": "IAH", "distance": 1400.0, "seats": 149.0, "manufacturer": "BOEING",
    "temperature": 39.02, "visibility": 10.0, "wind_speed": 12.66, "scheduled": "2013-10-01T05:15:00",
    **{f"delay_{hours}h_{what}": 3.25 for hours in (1, 3, 6) for what in ("origin", "carrier", "dest", "route")},
}  # fmt: skip
# One day of stored predictions, made where they stay: ids in the order of time, 86.4 s / 10 apart, probabilities that are
# right on the average. Their features are few, because 10 million times the usual 2 kB would fill a disk.
STORED = """
INSERT INTO predictions SELECT
  (lpad(to_hex(ms), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid,
  to_timestamp(ms / 1000.0), 'ontime', CASE WHEN n %% 2 = 0 THEN 'one' ELSE 'two' END, p, p >= 0.3, 0.3, NULL, '[]',
  '{"carrier": "UA", "origin": "EWR", "distance": 1400.0}', now()
FROM (SELECT n, %(start)s + n * 86400000::bigint / %(rows)s AS ms,
             ('x' || substr(md5(n::text), 1, 7))::bit(28)::int / 268435456.0 AS p
      FROM generate_series(0, %(rows)s - 1) AS n) AS made
"""
OUTCOMES = """
INSERT INTO outcomes SELECT prediction_id,
  ('x' || substr(md5(prediction_id::text), 1, 7))::bit(28)::int / 268435456.0 < probability, time, time
FROM predictions WHERE prediction_id >= %(low)s AND prediction_id < %(high)s
"""


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12, help="of each way to insert, 10,000 rows in a round")
    parser.add_argument("--questions", type=int, default=30, help="to each database")
    parser.add_argument("--many", type=int, default=MANY, help="stored predictions in the larger database")
    asked = parser.parse_args()
    console.print(f"Storing on {os.cpu_count()} cores, {os.getloadavg()[0]:.1f} processes busy before it started")
    with tempfile.TemporaryDirectory(prefix="ontime-bench-") as name, running() as server:
        inserts(Path(name), server.url, asked.rounds)
        questions(Path(name), server.url, asked.many, asked.questions)


@contextmanager
def running() -> Iterator[PostgresqlServer]:
    server = PostgresqlServer()
    try:
        yield server
    finally:
        server.close()


def inserts(folder: Path, server: str, rounds: int) -> None:
    """Rows on 10,000 predictions in one request, beside SQLAlchemy's own bulk insert of such rows."""
    urls = [database(server, name) for name in ("through_the_route", "bare")]
    turns = []
    with service(folder, urls[0]) as ours, service(folder, urls[1]):  # both have made their tables
        engine = create_engine_for(urls[1])
        for _ in range(1 + rounds):
            rows = [prediction() for _ in range(A_DAY)]
            body = json.dumps({"predictions": rows}).encode()
            start = time.perf_counter()
            ask(ours, "/predictions", body, {"x-api-key": KEY})
            through = time.perf_counter() - start
            turns.append((through, insert_bare(engine, Prediction, [bare(row) for row in rows], "prediction_id")))
        engine.dispose()
    console.print(f"\n10,000 predictions at once, {len(body) / A_DAY / 1000:.1f} kB each, {rounds} rounds in turn")
    compare_inserts("POST /predictions", turns[1:])


def insert_bare(engine: Engine, model: type[Event | Prediction], rows: Sequence[dict[str, Any]], key: str) -> float:
    """The seconds of SQLAlchemy's own bulk insert, where the partitions for the ids in ``key`` are there already."""
    with transaction(engine) as session:
        partitions.ensure(session, model, [row[key] for row in rows])
    start = time.perf_counter()
    with engine.begin() as connection:
        connection.execute(insert(model.__table__), rows)
    return time.perf_counter() - start


def compare_inserts(route: str, turns: Sequence[tuple[float, float]]) -> None:
    """Rows on the seconds of both ways to insert A_DAY rows, in each turn."""
    for name, seconds in zip((f"A  {route}", "B  SQLAlchemy's bulk insert"), zip(*turns, strict=True), strict=True):
        console.print(f"{name:36}{A_DAY / median(seconds):10,.0f} rows/s")
    judge("A / B in rows per second", median(plain / through for through, plain in turns), least=LEAST_SHARE)


def questions(folder: Path, server: str, many: int, count: int) -> None:
    """Rows on a page and on the scores of one day, with few days stored and with many."""
    last = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    urls = {rows: database(server, f"stored_{rows}") for rows in (FEW, many)}
    day = {"since": last.isoformat(), "until": (last + timedelta(days=1)).isoformat()}
    paths = {
        "GET /predictions, a page": "/predictions?" + urlencode({**day, "limit": 100}),
        "GET /predictions, of a label": "/predictions?" + urlencode({**day, "limit": 100, "label": "true"}),
        "GET /performance": "/performance?" + urlencode({**day, "by": "model_version"}),
    }
    with service(folder, urls[FEW]) as small, service(folder, urls[many]) as large:
        for rows, url in urls.items():
            fill(url, rows, last)
        seconds: dict[tuple[str, int], list[float]] = {}
        tokens = {server.port: token(server) for server in (small, large)}
        for _ in range(1 + count):
            for name, path in paths.items():
                for rows, asked in ((FEW, small), (many, large)):
                    start = time.perf_counter()
                    ask(asked, path, None, {"authorization": f"Bearer {tokens[asked.port]}"})
                    seconds.setdefault((name, rows), []).append(time.perf_counter() - start)
    console.print(f"\nOne day of {A_DAY:,} predictions, {count} rounds in turn")
    console.print(f"{'':36}{f'of {FEW:,}':>16}{f'of {many:,}':>16}")
    middle = {key: median(found[1:]) for key, found in seconds.items()}
    for name in paths:
        console.print(f"{name:36}{middle[name, FEW] * 1e3:13.1f} ms{middle[name, many] * 1e3:13.1f} ms")
    for name in paths:
        judge(f"{name}: many / few", middle[name, many] / middle[name, FEW], most=MOST_TIMES)


def fill(url: str, rows: int, last: datetime) -> None:
    """Stores so many predictions and their outcomes, a day after the other, up to the day ``last``."""
    days = [last - timedelta(days=back) for back in reversed(range(rows // A_DAY))]
    engine = create_engine_for(url)
    with transaction(engine) as session:
        for table in (Prediction, Outcome):
            partitions.ensure(session, table, [first_at(day) for day in days])
    engine.dispose()
    with psycopg.connect(plain(url), autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        for day in track(days, f"store {rows:,} predictions", console=console, transient=True):
            connection.execute(STORED, {"start": int(day.timestamp() * 1000), "rows": A_DAY})
            connection.execute(OUTCOMES, {"low": first_at(day), "high": first_at(day + timedelta(days=1))})
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


@contextmanager
def service(folder: Path, url: str) -> Iterator[Server]:
    """The data service on a database."""
    port = free_port()
    settings = {"DATABASE_URL": url, "DATA_API_PORT": str(port), "PYTHONPATH": "src:db", "ENVIRONMENT": "development"}
    command = [sys.executable, "-m", "data_api"]
    with serving(command, port, "/readyz", folder / f"{port}.log", LIVE_REFRESH_SECONDS="86400", **settings) as found:
        yield found


def database(server: str, name: str) -> str:
    """The address of an empty database."""
    with psycopg.connect(plain(server), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def prediction() -> dict[str, Any]:
    probability = random.random()
    return {
        "prediction_id": str(uuid7()), "probability": probability, "label": probability > 0.3, "threshold": 0.3,
        "model_version": "7c1042a03d0c", "warnings": [], "time": datetime.now(UTC).isoformat(), "model_name": "ontime",
        "caller": None, "features": FEATURES | {"age": probability},
    }  # fmt: skip


def bare(row: dict[str, Any]) -> dict[str, Any]:
    """A prediction as SQLAlchemy takes it."""
    moment = datetime.fromisoformat(row["time"])
    return {**row, "prediction_id": UUID(row["prediction_id"]), "time": moment, "received_at": moment}


def token(server: Server) -> str:
    form = urlencode({"username": "admin", "password": PASSWORD}).encode()
    return str(ask(server, "/token", form, {"content-type": "application/x-www-form-urlencoded"})["access_token"])


def ask(server: Server, path: str, body: bytes | None, headers: dict[str, str]) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{path}", body, {"content-type": "application/json", **headers}
    )
    return json.loads(urllib.request.urlopen(request, timeout=120).read())


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
