"""Nothing that was acknowledged is lost: through kill -9, a reload and a stop, each of them under load."""

import asyncio
import hashlib
import http.client
import json
import math
import random
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from ports import free_port
from prediction_api.outbox.outbox import Outbox
from prediction_api.outbox.packed_batch import unpack_all
from serving.data_service import LOST, RECORDED, DataService

CLIENTS = 8
SIDE_BY_SIDE = 2
JSON = {"content-type": "application/json"}
ADMIN_KEY = "the key of an admin"
Answer = dict[str, Any]


@dataclass
class Load:
    """What the clients of one server saw: whole answers with status 200, other answers, and connections that broke off."""

    answers: list[Answer] = field(default_factory=list)
    refusals: list[tuple[int, bytes]] = field(default_factory=list)
    broken: list[Exception] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    predicting: threading.Event = field(default_factory=threading.Event)

    def predict(self, url: str, record: dict[str, Any], batch: int = 0) -> None:
        """Predicts again and again over one connection, until it breaks off or the load is stopped."""
        body = json.dumps({"records": [record] * batch} if batch else record)
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=15)
        try:
            while not self.stopped.is_set():
                connection.request("POST", "/predict/batch" if batch else "/predict", body, JSON)
                answer = connection.getresponse()
                content = answer.read()
                if answer.status != 200:
                    self.refusals.append((answer.status, content))
                    return
                self.answers += json.loads(content)["predictions"] if batch else [json.loads(content)]
                self.predicting.set()
        except (OSError, http.client.HTTPException) as error:
            self.broken.append(error)
        finally:
            connection.close()


@pytest.fixture
def data_service() -> Iterator[DataService]:
    service = DataService()
    yield service
    service.stop()


@contextmanager
def load(url: str, record: dict[str, Any], batches: int = 0) -> Iterator[Load]:
    """Eight clients that predict all the time, each another distance; ``batches`` of them send many records at once."""
    seen = Load()
    with ThreadPoolExecutor(CLIENTS) as clients:
        futures = [
            clients.submit(seen.predict, url, {**record, "distance": 800.0 + number}, 40 if number < batches else 0)
            for number in range(CLIENTS)
        ]
        try:
            yield seen
        finally:
            seen.stopped.set()
    for future in futures:
        future.result()


def wait_until_it_listens(server: Any) -> None:
    """Returns once a client can connect; costs next to nothing, so that all there is of the processor goes to the start."""
    address = "127.0.0.1", httpx.URL(server.url).port
    for _ in range(3000):
        with socket.socket() as client:
            if client.connect_ex(address) == 0:
                return
        assert server.process.poll() is None, server.log.read_text()
        time.sleep(0.01)
    pytest.fail(f"nobody listens: {server.log.read_text()}")


def until(true: Callable[[], Any], seconds: float = 60) -> None:
    """Returns once it is so."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            pytest.fail(f"after {seconds} seconds it still is not so")
        time.sleep(0.02)


def waiting(url: str) -> int:
    return httpx.get(f"{url}/readyz").json()["checks"]["outbox"]["waiting"]


def on_disk(folder: Path) -> list[Answer]:
    """Every prediction in the segments of an outbox, delivered or not, none of them damaged."""
    copy = folder.with_name(f"{folder.name}-copy")
    shutil.copytree(folder, copy)
    (copy / "cursor.json").unlink(missing_ok=True)
    outbox, found = Outbox(copy), []
    while batch := outbox.peek(10_000):
        assert batch.damaged == 0
        found += [json.loads(line) for line in unpack_all(batch.lines)]
        outbox.ack(batch.after)
    asyncio.run(outbox.close())
    return found


def assert_each_id_once(predictions: list[Answer]) -> None:
    assert len({prediction["prediction_id"] for prediction in predictions}) == len(predictions)


def fickle(chance: random.Random) -> Callable[[list[Answer]], int]:
    """Takes most parcels, refuses some for now, and breaks off after it recorded some."""
    return lambda predictions: chance.choices([RECORDED, 503, 500, LOST], [12, 1, 1, 2])[0]


def killed_again_and_again(
    make_server: Callable[..., Any], outbox: Path, model: Path, url: str, record: dict[str, Any], kills: int, seed: int
) -> list[Answer]:
    """The answers that clients got from a server that was killed so many times, and at last delivered what waited."""
    chance, port, answers = random.Random(seed), free_port(), []
    environment = {"OUTBOX_DIR": outbox, "MODEL_URI": model, "DATA_API_URL": url, "PREDICTION_API_PORT": port}
    for _ in range(kills):
        server = make_server(ready=False, **environment)
        wait_until_it_listens(server)
        with load(server.url, record, batches=1) as seen:
            assert seen.predicting.wait(60), server.log.read_text()
            time.sleep(chance.uniform(0.03, 0.3))
            server.kill()
        assert seen.refusals == []
        answers += seen.answers
    server = make_server(**environment)
    until(lambda: waiting(server.url) == 0)
    assert server.stop() in {0, -15}
    return answers


@pytest.mark.parametrize("kills", [40, pytest.param(200, marks=pytest.mark.long("200 kills of the prediction service"))])
def test_kills_under_load_lose_no_acknowledged_prediction_and_record_none_twice(
    make_server, make_model, data_service, record, tmp_path, kills
):
    model = make_model()
    data_service.answer = fickle(random.Random(0))
    outboxes = [tmp_path / f"outbox-{number}" for number in range(SIDE_BY_SIDE)]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as beside:
        each = kills // SIDE_BY_SIDE
        lives: list[Future[list[Answer]]] = [
            beside.submit(killed_again_and_again, make_server, outbox, model, data_service.url, record, each, number)
            for number, outbox in enumerate(outboxes)
        ]
    answers = [answer for life in lives for answer in life.result()]

    assert len(answers) > 10 * kills
    assert_each_id_once(answers)
    copies = data_service.copies
    assert [one["prediction_id"] for one in answers if one["prediction_id"] not in copies] == []
    assert [found for found in copies.values() if any(copy != found[0] for copy in found)] == []
    assert [one for one in answers if not one.items() <= copies[one["prediction_id"]][0].items()] == []
    for outbox in outboxes:
        kept = on_disk(outbox)
        assert_each_id_once(kept)
        assert [one for one in kept if copies.get(one["prediction_id"], [None])[0] != one] == []
        assert not (outbox / "refused.ndjson").exists()
    assert any(len(found) > 1 for found in copies.values()), "nothing was ever sent again: the test shows too little"


def test_a_reload_under_load_drops_no_request(make_server, make_model, record, tmp_path):
    model = tmp_path / "live"
    biases: dict[str, float] = {}

    def replace(bias: float) -> str:
        fresh = make_model(tmp_path / "fresh", bias=bias)
        version = hashlib.sha256((fresh / "metadata.json").read_bytes()).hexdigest()[:12]
        biases[version] = bias
        shutil.rmtree(model, ignore_errors=True)
        fresh.rename(model)
        return version

    def reload() -> httpx.Response:
        return httpx.post(f"{server.url}/reload", headers={"x-api-key": ADMIN_KEY}, timeout=30)

    replace(0.0)
    digest = hashlib.sha256(ADMIN_KEY.encode()).hexdigest()
    server = make_server(MODEL_URI=model, ADMIN_KEYS=f"admin:{digest}")
    with load(server.url, record, batches=2) as seen:
        for number in range(1, 21):
            assert seen.predicting.wait(60)
            if number % 5 == 0:  # a truncated model comes first, and changes nothing
                graph = model / "model.onnx"
                graph.write_bytes(graph.read_bytes()[:-1])
                (model / "metadata.json").write_bytes((model / "metadata.json").read_bytes() + b"\n")
                assert reload().status_code == 502
            version = replace(number / 10)
            told = reload()
            assert (told.status_code, told.json()) == (200, {"changed": True, "model_version": version})
            assert httpx.post(f"{server.url}/predict", json=record).json()["model_version"] == version
            before = len(seen.answers)
            until(lambda before=before: len(seen.answers) > before + 200 or seen.broken or seen.refusals)

    assert (seen.refusals, seen.broken) == ([], [])
    assert {answer["model_version"] for answer in seen.answers} == set(biases)
    kept = {one["prediction_id"]: one for one in on_disk(tmp_path / "outbox")}
    for answer in seen.answers:
        found = kept[answer["prediction_id"]]
        score = biases[answer["model_version"]] + found["features"]["distance"] / 1000 + 0.025
        assert math.isclose(answer["probability"], 1 / (1 + math.exp(-score)), rel_tol=1e-5), answer
        assert (found["model_version"], found["probability"]) == (answer["model_version"], answer["probability"])


@pytest.mark.parametrize("sync", ["process", "full"])
@pytest.mark.parametrize("moment", [0.1, 0.25, 0.4])
def test_a_stop_under_load_answers_every_request_that_was_accepted(make_server, record, tmp_path, sync, moment):
    server = make_server(OUTBOX_SYNC=sync)
    with load(server.url, record, batches=2) as seen:
        assert seen.predicting.wait(60)
        time.sleep(moment)
        begin = time.monotonic()
        status = server.stop()
        took = time.monotonic() - begin

    assert status in {0, -15}
    assert took < 30
    assert seen.refusals == []
    assert [error for error in seen.broken if isinstance(error, http.client.IncompleteRead)] == []
    kept = on_disk(tmp_path / "outbox")
    assert_each_id_once(kept)
    # what was accepted was predicted and kept, and what was kept was answered
    assert {one["prediction_id"] for one in kept} == {answer["prediction_id"] for answer in seen.answers}


def test_a_request_of_which_half_has_come_is_answered_by_a_stop(make_server, record):
    server = make_server()
    body = json.dumps(record).encode()
    head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", httpx.URL(server.url).port), timeout=10) as half:
        half.sendall(head.encode() + body[:20])
        time.sleep(0.2)
        server.process.terminate()
        time.sleep(0.5)
        assert server.process.poll() is None
        half.sendall(body[20:])
        answer = http.client.HTTPResponse(half)
        answer.begin()
        found = json.loads(answer.read())

    assert (answer.status, found["model_version"] != "") == (200, True)
    assert server.process.wait(60) in {0, -15}
