"""What was acknowledged is in the database exactly once, though database, data service or network fail under load."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from contract.live_services import needs_model
from contract.processes import KEY, ROOT, Process
from contract.proxy import CUTTING, REFUSING, SILENT, SWALLOWING, Proxy
from db.postgresql_server import PostgresqlServer, plain
from pipeline.config.paths import MODEL

LONGEST_AWAY_SECONDS, LONGEST_LIFE_SECONDS = 30, 0.5
PATIENCE_SECONDS = (
    300  # for outcomes that the data service has to take: it hardly lives while it is killed on a busy machine
)
LONG = pytest.mark.long("half a minute without PostgreSQL, 50 kills of the data service, 12 failures of the network")
SLOWEST_SECONDS = 6.0  # that a prediction may take on a machine that does all of this at once; PostgreSQL is away for longer
PAUSE_SECONDS, BATCH = 0.03, 20

pytestmark = needs_model


@dataclass
class Load:
    """What callers saw: the predictions that were acknowledged, by id; the outcomes; what else happened."""

    predictions: dict[str, tuple[float, bool, str]] = field(default_factory=dict)
    outcomes: dict[str, bool] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0
    stopped: threading.Event = field(default_factory=threading.Event)

    def predict(self, url: str, record: dict[str, Any], batch: int) -> None:
        """Predicts again and again; each answer should be 200 and come soon."""
        path, body = ("/predict/batch", {"records": [record] * batch}) if batch else ("/predict", record)
        with httpx.Client(base_url=url, timeout=30) as client:
            while not self.stopped.wait(PAUSE_SECONDS):
                start = time.monotonic()
                try:
                    answer = client.post(path, json=body)
                except httpx.HTTPError as error:
                    self.wrong.append(repr(error))
                    continue
                self.slowest = max(self.slowest, time.monotonic() - start)
                if answer.status_code != 200:
                    self.wrong.append(f"{answer.status_code}: {answer.text}")
                    continue
                for one in answer.json()["predictions"] if batch else [answer.json()]:
                    self.predictions[one["prediction_id"]] = (one["probability"], one["label"], one["model_version"])

    def tell(self, url: str) -> None:
        """Tells what came true of predictions, each as often as it takes until the data service has it."""
        told = 0
        with httpx.Client(base_url=url, timeout=10, headers={"x-api-key": KEY}) as client:
            while not self.stopped.wait(10 * PAUSE_SECONDS):
                new = list(self.predictions)[told : told + 200]
                outcomes = {name: random.random() < 0.3 for name in new}
                told += len(new)
                until(lambda outcomes=outcomes: not outcomes or self._taken(client, outcomes), PATIENCE_SECONDS)
                self.outcomes |= outcomes

    def _taken(self, client: httpx.Client, outcomes: dict[str, bool]) -> bool:
        body = {"outcomes": [{"prediction_id": name, "outcome": outcome} for name, outcome in outcomes.items()]}
        try:
            answer = client.post("/outcomes", json=body)
        except httpx.HTTPError:
            return False
        if answer.status_code not in {201, 503}:
            self.wrong.append(f"{answer.status_code}: {answer.text}")
        return answer.status_code == 201


@contextmanager
def load(prediction: str, data: str, record: dict[str, Any]) -> Iterator[Load]:
    """Four callers that predict, one of them in batches, and one who tells outcomes, until the block ends."""
    seen = Load()
    with ThreadPoolExecutor(5) as callers:
        futures = [callers.submit(seen.predict, prediction, record, batch) for batch in (0, 0, 0, BATCH)]
        futures.append(callers.submit(seen.tell, data))
        try:
            until(lambda: len(seen.outcomes) > 50)
            yield seen
            before = len(seen.predictions)
            until(lambda: len(seen.predictions) > before + 50)
        finally:
            seen.stopped.set()
    for future in futures:
        future.result()


@pytest.fixture
def record() -> dict[str, Any]:
    """A record as the model's schema describes it."""
    schema = json.loads((MODEL / "schema.json").read_text())
    return {column["name"]: column["example"] for column in schema["columns"]}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlServer]:
    """A PostgreSQL server with its own settings: what it has committed is on disk."""
    found = PostgresqlServer()
    yield found
    found.close()


@pytest.fixture
def database(server: PostgresqlServer, request: pytest.FixtureRequest) -> str:
    """The address of an empty database."""
    name = request.node.name.translate({ord("["): "_", ord("]"): None})
    with psycopg.connect(plain(server.url), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.url.rsplit("/", 1)[0] + f"/{name}"


@pytest.fixture
def data(database: str, tmp_path: Path) -> Iterator[Process]:
    """A data service on that database."""
    with Process("data_api", "db", tmp_path, DATABASE_URL=database, ACCESS_LOG="false") as found:
        yield found


def serving(folder: Path, data_url: str) -> Process:
    """A prediction service that delivers to a data service."""
    return Process(
        "prediction_api", "serving", folder, MODEL_URI=str(ROOT / MODEL), MODEL_POLL_SECONDS="0", ACCESS_LOG="false",
        OUTBOX_DIR=str(folder / "outbox"), DATA_API_URL=data_url, DATA_API_KEY=KEY,
    )  # fmt: skip


def until(true: Callable[[], Any], seconds: float = 60) -> None:
    """Returns once it is so."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            pytest.fail(f"after {seconds} seconds it still is not so")
        time.sleep(0.05)


def check(seen: Load, prediction: Process, database: str) -> None:
    """All that was acknowledged is in the database once, as it was answered, and all callers were answered throughout."""
    until(lambda: httpx.get(f"{prediction.url}/readyz").json()["checks"]["outbox"]["waiting"] == 0)
    with psycopg.connect(plain(database)) as connection:
        rows = connection.execute("SELECT prediction_id, probability, label, model_version FROM predictions").fetchall()
        outcomes = connection.execute("SELECT prediction_id, outcome FROM outcomes").fetchall()
        deployments = connection.execute("SELECT model_version FROM deployments").fetchall()

    assert len(rows) == len({row[0] for row in rows})
    assert {str(row[0]): row[1:] for row in rows} == seen.predictions
    assert len(outcomes) == len(seen.outcomes)
    assert {str(name): outcome for name, outcome in outcomes} == seen.outcomes
    assert {version for (version,) in deployments} == {version for _, _, version in seen.predictions.values()}
    assert seen.wrong == []
    assert seen.slowest < SLOWEST_SECONDS
    metrics = httpx.get(f"{prediction.url}/metrics").text
    assert "prediction_api_outbox_refused_total 0.0" in metrics


@pytest.mark.parametrize("away_seconds", [8, pytest.param(LONGEST_AWAY_SECONDS, marks=LONG)])
def test_postgresql_is_stopped_for_a_while(server, data, database, record, tmp_path, away_seconds):
    lasting = data.process.pid
    with serving(tmp_path, data.url) as prediction:
        with load(prediction.url, data.url, record) as seen:
            server.stop()
            until(lambda: httpx.get(f"{data.url}/readyz").status_code == 503, 10)  # it looks every two seconds
            away = time.monotonic()
            answers = []
            while time.monotonic() < away + away_seconds:
                start = time.monotonic()
                answer = httpx.post(f"{data.url}/outcomes", json={"outcomes": []}, headers={"x-api-key": KEY}, timeout=20)
                refused = httpx.get(f"{data.url}/deployments", headers={"x-api-key": KEY}, timeout=20)
                ready = httpx.get(f"{data.url}/readyz", timeout=20)
                answers.append((answer.status_code, refused.status_code, refused.headers.get("retry-after")))
                assert httpx.get(f"{data.url}/healthz").status_code == 200
                assert (ready.status_code, ready.json()["checks"]["database"]["ok"]) == (503, False)
                assert time.monotonic() - start < 10
                time.sleep(0.5)
            server.start()
        check(seen, prediction, database)

    assert set(answers) == {(503, 503, "1")}
    assert data.process.pid == lasting
    assert data.process.poll() is None


@pytest.mark.parametrize("kills", [6, pytest.param(50, marks=LONG)])
def test_the_data_service_is_killed_again_and_again(data, database, record, tmp_path, kills):
    with serving(tmp_path, data.url) as prediction:
        with load(prediction.url, data.url, record) as seen:
            for _ in range(kills):
                time.sleep(random.random() * LONGEST_LIFE_SECONDS)
                data.kill()
                data.start()
                data.wait_until_it_listens()
        check(seen, prediction, database)


@pytest.mark.parametrize("times", [1, pytest.param(3, marks=LONG)])
def test_the_network_between_the_services_fails_in_each_way(data, database, record, tmp_path, times):
    with Proxy(data.port) as network, serving(tmp_path, network.url) as prediction:
        with load(prediction.url, data.url, record) as seen:
            for failure in times * (REFUSING, CUTTING, SWALLOWING, SILENT):
                network.fail(failure)
                time.sleep(1)
                network.heal()
                time.sleep(0.5)
        check(seen, prediction, database)
        assert network.count > times
