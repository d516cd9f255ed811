"""Predictions reach the data service: in order, whole, in spite of everything, and those that it refuses are kept aside."""

import asyncio
import hashlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from prediction_api.app import create_app
from prediction_api.errors import PredictionApiError
from prediction_api.metrics import Metrics
from prediction_api.outbox.outbox import Outbox
from prediction_api.outbox.outbox_relay import OutboxRelay
from serving.data_service import LOST, RECORDED, SILENT, DataService

POISON = 13.0  # the distance of a record that the data service refuses
MOST_FAULTS = 20  # that one answer of the data service names


@pytest.fixture
def data_service() -> Iterator[DataService]:
    service = DataService()
    yield service
    service.stop()


@pytest.fixture
def open_service(make_settings, data_service) -> Iterator[Callable[..., TestClient]]:
    """A service that delivers to the data service; it closes with the test, or with the next one."""
    with ExitStack() as stack:

        def open_(**changes: Any) -> TestClient:
            stack.close()
            app = create_app(make_settings(**{"data_api_url": data_service.url, **changes}))
            return stack.enter_context(TestClient(app))

        yield open_


def until(true: Callable[[], Any], seconds: float = 60) -> None:
    """Returns once it is so."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            pytest.fail(f"after {seconds} seconds it still is not so")
        time.sleep(0.01)


def predict(
    client: TestClient | str, record: dict[str, Any], distances: list[float], **headers: str
) -> list[dict[str, Any]]:
    """The answers to a batch of records that differ in their distance."""
    records = [{**record, "distance": distance} for distance in distances]
    post = client.post if isinstance(client, TestClient) else httpx.post
    prefix = "" if isinstance(client, TestClient) else client
    answer = post(f"{prefix}/predict/batch", json={"records": records}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


def ids(predictions: list[dict[str, Any]]) -> list[str]:
    return [prediction["prediction_id"] for prediction in predictions]


def outbox_of(client: httpx.Client | TestClient) -> dict[str, Any]:
    """What /readyz says of the outbox; the service stays ready."""
    answer = client.get("/readyz")
    assert answer.status_code == 200, answer.text
    return answer.json()["checks"]["outbox"]


def metric(client: httpx.Client | TestClient, name: str) -> float:
    (found,) = [line for line in client.get("/metrics").text.splitlines() if line.startswith(f"{name} ")]
    return float(found.split()[1])


def distances_of(predictions: list[dict[str, Any]]) -> list[float]:
    return [prediction["features"]["distance"] for prediction in predictions]


def poisoned(status: int, meanwhile: int = RECORDED) -> Callable[[list[dict[str, Any]]], int]:
    """Refuses whatever has a poisoned record in it."""
    return lambda predictions: status if POISON in distances_of(predictions) else meanwhile


def places_of_the_poison(predictions: list[dict[str, Any]]) -> list[str]:
    """The first fields that are wrong, as a problem of the data service names them."""
    poison = [place for place, distance in enumerate(distances_of(predictions)) if distance == POISON]
    return [f"predictions.{place}.features.distance" for place in poison[:MOST_FAULTS]]


def aside(folder: Path) -> list[float]:
    """The distances of the predictions that were put aside."""
    return distances_of([json.loads(line) for line in (folder / "refused.ndjson").read_text().splitlines()])


def test_predictions_arrive_in_order_with_all_that_was_known(open_service, data_service, record):
    client = open_service()
    before = datetime.now(UTC)
    answers = [client.post("/predict", json={**record, "distance": distance}).json() for distance in (100.0, 9.5e2)]
    answers += predict(client, {**record, "carrier": "ZZ", "delay": None}, [300.0, 200.0, 100.0])
    after = datetime.now(UTC)

    until(lambda: len(data_service.recorded) == 5)

    recorded = data_service.recorded
    assert data_service.paths == {"/predictions"}
    assert ids(recorded) == ids(answers)
    for answer, distance, found in zip(answers, (100.0, 950.0, 300.0, 200.0, 100.0), recorded, strict=True):
        made = datetime.fromisoformat(found.pop("time"))
        rest = {"carrier": "ZZ", "delay": None} if answer["warnings"] else {}
        assert before <= made <= after
        assert made.utcoffset().total_seconds() == 0
        assert found == {
            **answer,
            "model_name": "tiny",
            "caller": None,
            "features": {**record, "distance": distance, **rest},
        }


def test_the_name_of_the_caller_arrives_and_its_key_does_not(open_service, data_service, record):
    keys = {"ci": "first key", "web": "second key"}
    pairs = ",".join(f"{name}:{hashlib.sha256(key.encode()).hexdigest()}" for name, key in keys.items())
    client = open_service(api_keys=pairs)
    for key in ("second key", "first key"):
        predict(client, record, [100.0], **{"x-api-key": key})

    until(lambda: len(data_service.recorded) == 2)

    assert [found["caller"] for found in data_service.recorded] == ["web", "ci"]
    assert "key" not in json.dumps(data_service.recorded)


@pytest.mark.parametrize("key", ["secret", None])
def test_the_key_of_the_data_service_is_sent_with_each_parcel(open_service, data_service, record, key):
    client = open_service(data_api_key=key)
    predict(client, record, [100.0])

    until(lambda: data_service.recorded)

    assert {headers.get("x-api-key") for headers in data_service.headers} == {key}
    assert {headers["content-type"] for headers in data_service.headers} == {"application/json"}


def test_many_predictions_arrive_in_order_in_parcels(open_service, data_service, record):
    data_service.stop()
    client = open_service()
    answers = [answer for _ in range(3) for answer in predict(client, record, [float(n + 20) for n in range(700)])]
    data_service.start()

    until(lambda: len(data_service.recorded) == 2100)

    assert ids(data_service.recorded) == ids(answers)
    assert 5 <= len(data_service.requests) <= 30
    assert outbox_of(client)["waiting"] == 0


def test_while_the_data_service_is_away_predictions_are_answered_and_wait(open_service, data_service, record):
    data_service.stop()
    client = open_service()
    answers = predict(client, record, [100.0, 200.0])
    until(lambda: outbox_of(client)["delivery"] != "ok")
    first = metric(client, "prediction_api_delivery_failures_total")
    until(lambda: metric(client, "prediction_api_delivery_failures_total") > first)
    answers += predict(client, record, [300.0])

    told = outbox_of(client)
    assert first >= 1
    assert "ConnectError" in told["delivery"]
    assert (told["ok"], told["waiting"]) == (True, 3)
    assert metric(client, "prediction_api_outbox_predictions") == 3
    assert metric(client, "prediction_api_outbox_age_seconds") > 0

    data_service.start()
    until(lambda: outbox_of(client)["waiting"] == 0)

    assert ids(data_service.recorded) == ids(answers)
    assert outbox_of(client)["delivery"] == "ok"
    assert metric(client, "prediction_api_outbox_delivered_total") == 3
    assert metric(client, "prediction_api_outbox_age_seconds") == 0


@pytest.mark.parametrize("status", [302, 401, 403, 404, 429, 500, 503])
def test_a_refusal_that_may_pass_is_tried_again(open_service, data_service, record, status):
    data_service.answer = lambda predictions: status
    client = open_service()
    answers = predict(client, record, [100.0, 200.0, 300.0])

    until(lambda: len(data_service.requests) >= 2)
    until(lambda: outbox_of(client)["delivery"].startswith(f"{status}: "))
    data_service.answer = lambda predictions: RECORDED
    until(lambda: outbox_of(client)["waiting"] == 0)

    *refusals, last = data_service.requests
    assert (set(refusals), last) == ({(status, 3)}, (RECORDED, 3))
    assert ids(data_service.recorded) == ids(answers)
    assert outbox_of(client)["delivery"] == "ok"
    assert metric(client, "prediction_api_delivery_failures_total") == len(refusals)
    assert metric(client, "prediction_api_outbox_refused_total") == 0


@pytest.mark.parametrize(
    "answer",
    [
        *({"ok": True}, {}, [], None, "text", {"recorded": 3}, {"recorded": 2, "known": 0}, {"recorded": 3, "known": 1}),
        *({"recorded": 4, "known": -1}, {"recorded": 3.0, "known": 0}, {"recorded": "3", "known": 0}),
        {"recorded": 2, "known": True},
    ],
    ids=str,
)
def test_an_answer_that_does_not_confirm_all_predictions_empties_no_outbox(open_service, data_service, record, answer):
    data_service.confirmation = lambda path, content: answer
    client = open_service()
    answers = predict(client, record, [100.0, 200.0, 300.0])

    until(lambda: outbox_of(client)["delivery"] != "ok")
    assert outbox_of(client)["waiting"] == 3
    data_service.confirmation = lambda path, content: {"recorded": 1, "known": 2}
    until(lambda: outbox_of(client)["waiting"] == 0)

    assert ids(data_service.recorded) == ids(answers)


@pytest.mark.parametrize(("status", "content"), [(201, None), (200, "<html>"), (204, None), (307, "elsewhere")])
def test_an_answer_that_is_no_data_services_says_to_check_its_address(open_service, data_service, record, status, content):
    data_service.answer, data_service.confirmation, data_service.refusal = lambda _: status, lambda *_: content, content
    client = open_service()
    predict(client, record, [100.0])

    until(lambda: outbox_of(client)["delivery"] != "ok")

    assert outbox_of(client)["delivery"] == (
        f"{status}: DATA_API_URL should answer with a JSON object, as a data service does; this answer holds none. "
        "Check DATA_API_URL."
    )
    assert outbox_of(client)["waiting"] == 1


@pytest.mark.parametrize("status", [200, 201, 404, 422, 500])
def test_a_stranger_who_sends_back_the_key_gets_it_shown_nowhere(open_service, data_service, record, caplog, status):
    data_service.is_echo, data_service.answer = True, lambda predictions: status
    client = open_service(data_api_key="the-secret-key")
    predict(client, record, [100.0])

    until(lambda: outbox_of(client)["delivery"] != "ok")

    assert outbox_of(client)["waiting"] == 1
    assert "the-secret-key" not in client.get("/readyz").text + caplog.text + "".join(
        str(vars(one)) for one in caplog.records
    )


@pytest.mark.parametrize("status", [409, 422])
@pytest.mark.parametrize("at", [[0], [6], [99], [3, 4, 17], [0, 99], range(1, 91), range(100)])
def test_refused_predictions_are_put_aside_and_the_rest_arrives(
    open_service, make_settings, data_service, record, status, at
):
    data_service.answer, data_service.faults = poisoned(status), places_of_the_poison
    distances = [POISON if place in at else 100.0 + place for place in range(100)]
    data_service.stop()
    client = open_service()
    answers = predict(client, record, distances)
    data_service.start()

    until(lambda: outbox_of(client)["waiting"] == 0)

    assert ids(data_service.recorded) == [one for place, one in enumerate(ids(answers)) if place not in at]
    assert aside(make_settings().outbox_dir) == [POISON] * len(at)
    assert metric(client, "prediction_api_outbox_refused_total") == len(at)
    assert metric(client, "prediction_api_outbox_delivered_total") == 100 - len(at)


@pytest.mark.parametrize("status", [400, 409, 413, 422])
@pytest.mark.parametrize("fields", [[], ["predictions"], ["body"], ["predictions.99.time"], ["time"]])
def test_a_refusal_that_names_no_prediction_puts_none_aside(
    open_service, make_settings, data_service, record, status, fields
):
    data_service.answer, data_service.faults = poisoned(status), lambda _: fields
    data_service.stop()
    client = open_service()
    answers = predict(client, record, [100.0, 200.0, POISON, 300.0])
    data_service.start()

    until(lambda: "refuses whatever waits" in outbox_of(client)["delivery"])
    assert ids(data_service.recorded) == ids(answers)[:2]
    data_service.answer = lambda _: RECORDED
    until(lambda: outbox_of(client)["waiting"] == 0)

    assert ids(data_service.recorded) == ids(answers)
    assert not (make_settings().outbox_dir / "refused.ndjson").exists()


def test_a_parcel_that_is_too_large_arrives_in_parts(open_service, data_service, record):
    data_service.answer = lambda predictions: 413 if len(predictions) > 30 else RECORDED
    client = open_service()
    answers = predict(client, record, [100.0 + place for place in range(200)])

    until(lambda: outbox_of(client)["waiting"] == 0)

    assert ids(data_service.recorded) == ids(answers)
    assert metric(client, "prediction_api_outbox_refused_total") == 0


def test_a_prediction_is_put_aside_with_all_that_was_known(open_service, make_settings, data_service, record):
    data_service.answer, data_service.faults = poisoned(422), places_of_the_poison
    client = open_service()
    (answer, _) = predict(client, record, [POISON, 100.0])

    until(lambda: outbox_of(client)["waiting"] == 0)

    (line,) = (make_settings().outbox_dir / "refused.ndjson").read_text().splitlines()
    found = json.loads(line)
    assert {**found, **answer} == found
    assert found["features"] == {**record, "distance": POISON}
    assert {one["features"]["distance"] for one in data_service.recorded} == {100.0}


def test_a_service_that_refuses_everything_gets_nothing_put_aside(open_service, make_settings, data_service, record):
    data_service.answer = lambda *_: 422
    client = open_service()
    predict(client, record, [100.0, 200.0])

    until(lambda: "refuses whatever waits" in outbox_of(client)["delivery"])

    assert outbox_of(client)["waiting"] == 2
    assert not (make_settings().outbox_dir / "refused.ndjson").exists()


def test_a_refused_prediction_is_put_aside_once_though_the_service_goes_away_meanwhile(
    open_service, make_settings, data_service, record
):
    away, data_service.faults = iter([503, 503]), places_of_the_poison
    # the poison is taken out, and then the others are told to come back later
    data_service.answer = lambda predictions: (
        422
        if POISON in distances_of(predictions)
        else next(away, RECORDED)
        if 119.0 in distances_of(predictions)
        else RECORDED
    )
    data_service.stop()
    client = open_service()
    answers = predict(client, record, [POISON, *(100.0 + place for place in range(1, 20))])
    data_service.start()

    until(lambda: outbox_of(client)["waiting"] == 0)

    assert set(ids(data_service.recorded)) == set(ids(answers)[1:])
    assert aside(make_settings().outbox_dir) == [POISON]
    assert metric(client, "prediction_api_outbox_refused_total") == 1
    assert metric(client, "prediction_api_outbox_delivered_total") == 19


def test_a_parcel_whose_answer_was_lost_is_sent_again_as_it_was(open_service, data_service, record):
    losses = iter([LOST, LOST])
    data_service.answer = lambda predictions: next(losses, RECORDED)
    client = open_service()
    answers = predict(client, record, [100.0, 200.0, 300.0])

    until(lambda: outbox_of(client)["waiting"] == 0)

    assert ids(data_service.recorded) == ids(answers)
    assert data_service.requests == [(LOST, 3), (LOST, 3), (RECORDED, 3)]
    for copies in data_service.copies.values():
        assert copies == [copies[0]] * 3


def test_predictions_made_without_a_data_service_are_delivered_by_the_next_start(open_service, data_service, record):
    client = open_service(data_api_url=None)
    answers = predict(client, record, [100.0, 200.0])
    assert outbox_of(client)["delivery"] == "off"

    client = open_service()
    until(lambda: outbox_of(client)["waiting"] == 0)

    assert ids(data_service.recorded) == ids(answers)


def test_a_full_outbox_answers_503_until_the_data_service_takes_something(open_service, data_service, record):
    data_service.stop()
    client = open_service(outbox_max_bytes=1_000_000)
    answers = []
    for _ in range(10):
        records = [{**record, "carrier": f"{number:0500d}"} for number in range(600)]
        answer = client.post("/predict/batch", json={"records": records})
        if answer.status_code != 200:
            break
        answers += answer.json()["predictions"]
    single, readyz = client.post("/predict", json=record), client.get("/readyz")

    assert (answer.status_code, single.status_code, readyz.status_code) == (503, 503, 503)
    assert "may hold 1,000,000 (OUTBOX_MAX_BYTES)" in single.json()["detail"]
    assert int(single.headers["retry-after"]) >= 1
    assert readyz.json()["checks"]["outbox"]["writing"] == "full"

    data_service.start()
    until(lambda: client.get("/readyz").status_code == 200)
    assert client.post("/predict", json=record).status_code == 200
    until(lambda: outbox_of(client)["waiting"] == 0)
    assert ids(data_service.recorded)[:-1] == ids(answers)


@pytest.mark.parametrize(
    ("place", "byte", "lost"), [(4, b"?", {1}), (4, b"\r", {1}), (-1, b"?", {1, 2})], ids=["text", "return", "line break"]
)
def test_damaged_lines_hold_up_neither_the_rest_nor_the_service(
    make_settings, make_server, data_service, record, place, byte, lost
):
    settings = make_settings()
    with TestClient(create_app(settings)) as client:
        answers = [predict(client, record, [distance])[0] for distance in (100.0, 200.0, 300.0)]
    (path,) = settings.outbox_dir.glob("*.log")
    first, second, third = path.read_bytes().splitlines(keepends=True)
    at = place % len(second)
    path.write_bytes(first + second[:at] + byte + second[at + 1 :] + third)

    server = make_server(DATA_API_URL=data_service.url)
    answers += predict(server.url, record, [400.0])
    with httpx.Client(base_url=server.url) as client:
        until(lambda: outbox_of(client)["waiting"] == 0)
        assert metric(client, "prediction_api_outbox_refused_total") == 1

    assert ids(data_service.recorded) == [one for number, one in enumerate(ids(answers)) if number not in lost]


def test_delivery_goes_on_once_its_cursor_can_be_written(open_service, make_settings, data_service, record):
    in_the_way = make_settings().outbox_dir / "cursor.json.new"
    client = open_service()
    in_the_way.mkdir()
    answers = predict(client, record, [100.0])
    until(lambda: data_service.recorded)
    time.sleep(0.5)
    in_the_way.rmdir()
    answers += predict(client, record, [200.0])

    until(lambda: outbox_of(client)["waiting"] == 0)

    assert ids(data_service.recorded) == ids(answers)


def test_what_was_acknowledged_on_a_disk_that_is_full_now_arrives(open_service, data_service, record, tmp_path, small_disk):
    with small_disk(tmp_path / "disk", "64k"):
        data_service.stop()
        client = open_service(outbox_dir=tmp_path / "disk" / "outbox")
        answers, refusal = [], None
        while refusal is None:
            answer = client.post("/predict", json=record)
            answers += [answer.json()] if answer.status_code == 200 else []
            refusal = None if answer.status_code == 200 else answer
        assert refusal.status_code == 503
        assert "No space left on device" in refusal.json()["detail"]
        assert client.get("/readyz").status_code == 503

        data_service.start()
        until(lambda: len(data_service.recorded) == len(answers))
        assert ids(data_service.recorded) == ids(answers)

        subprocess.run(["mount", "-o", "remount,size=128k", tmp_path / "disk"], check=True)
        answers += [client.post("/predict", json=record).json()]
        until(lambda: outbox_of(client)["waiting"] == 0)
        assert ids(data_service.recorded) == ids(answers)
        open_service(outbox_dir=tmp_path / "outbox")  # lets go of the disk


def test_a_stop_delivers_what_waits(make_server, data_service, record):
    data_service.answer = lambda predictions: 503
    server = make_server(DATA_API_URL=data_service.url)
    answers = predict(server.url, record, [100.0, 200.0, 300.0])
    until(lambda: data_service.requests)
    data_service.answer = lambda predictions: RECORDED

    assert server.stop() in {0, -15}

    assert ids(data_service.recorded) == ids(answers)


@pytest.mark.parametrize("away", ["down", "silent", "refuses"])
def test_a_stop_does_not_wait_long_for_a_data_service_that_is_away(make_server, data_service, record, away):
    if away == "down":
        data_service.stop()
    else:
        data_service.answer = lambda predictions: SILENT if away == "silent" else 503
    server = make_server(DATA_API_URL=data_service.url)
    answers = predict(server.url, record, [100.0, 200.0, 300.0])
    time.sleep(0.5)

    begin = time.monotonic()
    assert server.stop() in {0, -15}
    assert time.monotonic() - begin < 25

    data_service.stop()
    data_service.answer = lambda predictions: RECORDED
    data_service.start()
    server = make_server(DATA_API_URL=data_service.url)
    until(lambda: len(data_service.recorded) == 3)
    assert ids(data_service.recorded) == ids(answers)
    assert server.stop() in {0, -15}


def test_predictions_are_answered_while_the_data_service_is_silent(open_service, data_service, record):
    data_service.answer = lambda predictions: SILENT
    client = open_service()
    predict(client, record, [100.0])
    until(lambda: data_service.requests)

    done = threading.Event()
    threading.Thread(target=lambda: (predict(client, record, [200.0]), done.set()), daemon=True).start()

    assert done.wait(30)
    data_service.stop()  # or the service would wait for it when it closes


def test_what_a_replica_left_that_is_no_more_is_delivered_by_another(
    open_service, data_service, tmp_path, record, monkeypatch
):
    monkeypatch.setattr("prediction_api.app_state.TAKE_OVER_SECONDS", 0.05)
    left = predict(open_service(outbox_dir=tmp_path / "shared/1", data_api_url=None), record, [11.0, 12.0])

    open_service(outbox_dir=tmp_path / "shared", outbox_shared=True)
    until(lambda: len(data_service.recorded) == 2)

    assert ids(data_service.recorded) == ids(left)
    open_service(outbox_dir=tmp_path / "elsewhere")
    assert Outbox(tmp_path / "shared/1").depth == 0


@pytest.mark.parametrize("status", [200, 422, 500])
def test_a_server_that_repeats_the_key_does_not_make_it_public(status, tmp_path):
    """An echo service repeats the headers, as a proxy's error page may."""

    def echo(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json={"headers": dict(request.headers)})

    async def send() -> str:
        relay = OutboxRelay(Outbox(tmp_path, "process", 2**20), Metrics(), "http://data", "ontime_SECRET")
        relay._client = httpx.AsyncClient(
            base_url="http://data", headers=relay._client.headers, transport=httpx.MockTransport(echo)
        )
        try:
            return str(await relay.send("PUT", "/models/one", b"{}"))
        except PredictionApiError as error:
            return str(error)

    assert "SECRET" not in asyncio.run(send())


def test_a_prediction_of_a_packed_batch_that_is_refused_is_kept_aside_alone(open_service, data_service, record, outbox):
    data_service.answer, data_service.faults = poisoned(422), places_of_the_poison
    distances = [POISON if number in {0, 700, 1199} else 100.0 + number for number in range(1200)]
    client = open_service(max_records=2000)

    answers = predict(client, record, distances)
    until(lambda: outbox_of(client)["waiting"] == 0)

    sound = [answer for answer, distance in zip(answers, distances, strict=True) if distance != POISON]
    assert ids(data_service.recorded) == ids(sound)
    assert aside(outbox) == [POISON] * 3
    assert metric(client, "prediction_api_outbox_delivered_total") == 1197
    assert metric(client, "prediction_api_outbox_refused_total") == 3


def test_a_packed_batch_is_sent_in_parts_that_the_data_service_takes(open_service, data_service, record):
    data_service.answer = lambda predictions: 413 if len(predictions) > 100 else RECORDED
    client = open_service()

    answers = predict(client, record, [100.0 + number for number in range(700)])
    until(lambda: outbox_of(client)["waiting"] == 0)

    assert ids(data_service.recorded) == ids(answers)


def test_how_many_wait_is_counted_in_predictions_also_after_a_restart(make_settings, record):
    for number in (1, 2):
        with TestClient(create_app(make_settings())) as client:
            predict(client, record, [100.0] * 40)
            client.post("/predict", json=record)
            assert outbox_of(client)["waiting"] == 41 * number
