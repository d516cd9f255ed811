"""Which model answered from when to when reaches the data service, through kill -9, outages and refusals."""

import asyncio
import hashlib
import json
import logging
import os
import socket
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from starlette.testclient import TestClient
from uuid_utils import uuid7

from prediction_api.app import create_app
from prediction_api.errors import ContentRejected, DataServiceUnavailable
from prediction_api.metrics import Metrics
from prediction_api.model import artifact
from prediction_api.model.model_manager import ModelManager
from prediction_api.model.model_source import ModelSource
from prediction_api.outbox.deployments import SEND_SECONDS, Deployments, replica_name
from serving.conftest import COLUMNS
from serving.data_service import SILENT, DataService, confirmation

ADMIN = {"x-api-key": "the key of an admin"}
ADMIN_KEYS = f"ops:{hashlib.sha256(ADMIN['x-api-key'].encode()).hexdigest()}"
BEAT = 0.02
LOGGER = "prediction_api"


@pytest.fixture
def data_service():
    service = DataService()
    yield service
    service.stop()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "outbox"
    folder.mkdir()
    return folder


@pytest.fixture
def served(make_model):
    """A function that gives the tiny model as a live model holds it, with its bias."""

    def load(bias=0.0):
        live = ModelManager(ModelSource(str(make_model(bias=bias)), git_commit="c0ffee"), Metrics(), most_records=3)
        asyncio.run(live.open())
        return live.current

    return load


@pytest.fixture
def told(caplog, monkeypatch):
    """A function that counts the log records with a text in their message."""
    caplog.set_level(logging.INFO, LOGGER)
    monkeypatch.setattr(logging.getLogger(LOGGER), "propagate", True)
    return lambda text: sum(text in record.message for record in caplog.records)


class Receiver:
    """What takes the deployments: it records them, or raises what the test wants."""

    def __init__(self, error=None):
        self.error, self.got, self.asked = error, {}, 0

    async def send(self, method, path, content):
        self.asked += 1
        if self.error:
            raise self.error
        assert method == "PUT"
        self.got.setdefault(path.removeprefix("/deployments/"), []).append(json.loads(content))
        return confirmation(path, content)


@asynccontextmanager
async def running(deployments, *models):
    """The task of the deployments, after they began with these models."""
    await deployments.open()
    for one in models:
        await deployments.begin(one)
    task = asyncio.create_task(deployments.run())
    yield
    task.cancel()
    await asyncio.wait([task])


async def until_async(true, seconds=30.0):
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


def until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            pytest.fail(f"after {seconds} seconds it still is not so")
        time.sleep(0.01)


def lines(folder):
    """All lines on disk, each a path and a content, delivered or not, the oldest first."""
    segments = sorted((folder / "deployments").glob("*.log"))
    return [json.loads(line[9:]) for path in segments for line in path.read_bytes().splitlines()]


def newest(folder):
    """The newest content on disk of each deployment, by its id, the oldest first."""
    return {path.removeprefix("/deployments/"): content for path, content in lines(folder) if "/deployments/" in path}


def unended(folder):
    return {deployment_id: content for deployment_id, content in newest(folder).items() if content["ended_at"] is None}


def dead_letters(folder):
    """What the data service refused for good."""
    path = folder / "deployments/refused.ndjson"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def last(said):
    """What was said last of each deployment, the oldest first."""
    return {one: said[one][-1] for one in sorted(said)}


def at(text):
    return datetime.fromisoformat(text)


def test_the_model_that_answers_is_told_at_once_with_where_it_came_from(make_settings, make_model, data_service):
    before = datetime.now(UTC)
    settings = make_settings(data_api_url=data_service.url, data_api_key="secret", git_commit="c0ffee")
    with TestClient(create_app(settings)):
        until(lambda: data_service.deployments)
        ((deployment_id, (found, *_)),) = data_service.deployments.items()

    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in make_model().iterdir()}
    started, seen = at(found.pop("started_at")), at(found.pop("last_seen_at"))
    assert UUID(deployment_id).version == 7
    assert before <= started <= seen <= datetime.now(UTC)
    assert started.utcoffset() == timedelta(0)
    assert found == {
        "replica": f"{socket.gethostname()}:8000",
        "model_name": "tiny",
        "model_version": digests["metadata.json"][:12],
        "git_commit": "c0ffee",
        "model_uri": str(make_model()),
        "sha256": digests,
        "data": {"train.parquet": "0" * 64},
        "ended_at": None,
    }
    assert {headers["x-api-key"] for headers in data_service.deployment_headers} == {"secret"}
    assert {headers["content-type"] for headers in data_service.deployment_headers} == {"application/json"}


NUMBERS = {"missing": 0.0, "edges": [1.0], "shares": [0.5, 0.5]}
REFERENCES = {
    "departs": {"missing": 0.0},
    "carrier": {"missing": 0.25, "shares": {"AA": 0.75, "UA": 0.25}},
    "season": {"missing": 0.0, "shares": {"summer": 1.0}},
    "distance": NUMBERS,
    "delay": NUMBERS,
}


@pytest.fixture
def referenced(make_model):
    """A function that writes the tiny model with its reference distributions, and gives its folder and version."""

    def make(bias=0.0, probability=None, source=None):
        columns = [{**column, "reference": REFERENCES[column["name"]]} for column in COLUMNS]
        folder = make_model(bias=bias, columns=columns, probability=probability, source=source)
        return folder, artifact.read(folder).version

    return make


def test_what_a_model_was_trained_on_is_told_once_and_without_its_datetimes(make_settings, referenced, data_service):
    folder, version = referenced(probability={"reference": NUMBERS})
    settings = make_settings(model_uri=str(folder), data_api_url=data_service.url, admin_keys=ADMIN_KEYS)
    with TestClient(create_app(settings)) as client:
        until(lambda: data_service.models)
        _, second = referenced(bias=1.0)
        assert client.post("/reload", headers=ADMIN).json()["changed"] is True
        until(lambda: len(data_service.models) == 2)
        assert client.post("/reload", headers=ADMIN).json()["changed"] is False

    columns = {name: reference for name, reference in REFERENCES.items() if name != "departs"}
    told = {
        "model_name": "tiny",
        "question": "late (late_minutes: 15)",
        "reference": {"columns": columns, "probability": NUMBERS},
    }
    assert data_service.models == [
        (version, told),
        (second, {**told, "reference": {**told["reference"], "probability": None}}),
    ]


def test_the_tables_whose_events_give_the_columns_are_sent_with_the_model(make_settings, referenced, data_service):
    tables = {"planes": {"key": ["tailnum"], "columns": {"tailnum": {"kind": "category", "nullable": False}}}}
    folder, version = referenced(source={"recipe": "flights", "options": {}, "tables": tables})

    with TestClient(create_app(make_settings(model_uri=str(folder), data_api_url=data_service.url))) as client:
        until(lambda: data_service.models)
        shown = client.get("/model").json()["schema"]["source"]

    assert [(sent, content["tables"]) for sent, content in data_service.models] == [(version, tables)]
    assert shown == {"recipe": "flights", "options": {}, "tables": tables}


def test_a_model_without_references_is_told_as_a_deployment_alone(make_settings, data_service):
    with TestClient(create_app(make_settings(data_api_url=data_service.url))):
        until(lambda: data_service.deployments)

    assert data_service.models == []


def test_a_reference_that_the_data_service_refuses_is_a_dead_letter_and_holds_up_no_deployment(folder, referenced, told):
    path, version = referenced()

    class Refusing(Receiver):
        async def send(self, method, path, content):
            if path.startswith("/models"):
                raise ContentRejected("422: no", is_final=True)
            return await super().send(method, path, content)

    receiver = Refusing()

    async def go():
        live = ModelManager(ModelSource(str(path)), Metrics(), most_records=3)
        await live.open()
        async with running(Deployments(folder, "host:1", receiver.send, heartbeat_seconds=BEAT), live.current):
            await until_async(lambda: receiver.asked >= 3)

    asyncio.run(go())
    assert [path for path, _ in dead_letters(folder)] == [f"/models/{version}"]
    assert told("refuses a deployment") == 1
    assert told("deployments wait on disk") == 0


def test_a_replica_keeps_its_name_over_restarts_and_any_port_is_told_apart_by_process():
    host = socket.gethostname()

    assert replica_name(8000) == f"{host}:8000"
    assert replica_name(0) == f"{host}:pid-{os.getpid()}"


def test_a_swap_ends_one_deployment_and_begins_the_next_without_a_gap(make_settings, make_model, data_service):
    settings = make_settings(data_api_url=data_service.url, admin_keys=ADMIN_KEYS)
    first = artifact.read(make_model()).version
    with TestClient(create_app(settings)) as client:
        make_model(bias=1.0)
        assert client.post("/reload", headers=ADMIN).json()["changed"] is True
        second = client.get("/model").json()["version"]
        until(lambda: len(data_service.deployments) == 2)
        old, new = last(data_service.deployments).values()
        assert client.post("/reload", headers=ADMIN).json()["changed"] is False
        assert len(unended(settings.outbox_dir)) == 1

    assert (old["model_version"], new["model_version"]) == (first, second)
    assert at(old["started_at"]) <= at(new["started_at"]) <= at(old["ended_at"])
    assert at(old["ended_at"]) - at(new["started_at"]) < timedelta(seconds=1)
    assert old["last_seen_at"] == old["ended_at"]
    assert new["ended_at"] is None


def test_a_bad_model_begins_no_deployment(make_settings, make_model, data_service):
    settings = make_settings(data_api_url=data_service.url, admin_keys=ADMIN_KEYS)
    with TestClient(create_app(settings)) as client:
        (make_model() / "metadata.json").write_text("{}")
        assert client.post("/reload", headers=ADMIN).status_code == 502
        assert [one["ended_at"] for one in unended(settings.outbox_dir).values()] == [None]

    assert len(data_service.deployments) == 1


@pytest.mark.parametrize("answer", [{"ok": True}, {}, {"deployment_id": str(uuid7())}, {"deployment_id": None}])
def test_deployments_wait_for_an_answer_that_confirms_them(make_settings, referenced, data_service, told, answer):
    folder, _ = referenced()
    settings = make_settings(model_uri=str(folder), data_api_url=data_service.url)
    data_service.confirmation = lambda path, content: answer
    with TestClient(create_app(settings)):
        until(lambda: told("deployments wait on disk"))
        stored = newest(settings.outbox_dir)
    data_service.confirmation = confirmation
    data_service.deployments.clear()
    with TestClient(create_app(settings)):
        until(lambda: len(data_service.deployments) == 2)

    assert data_service.models
    assert set(stored) < set(data_service.deployments)


@pytest.mark.parametrize("status", [400, 409, 422])
@pytest.mark.parametrize(
    ("refusal", "content_type"),
    [
        ({"detail": "no"}, "application/json"),
        ({"detail": "no", "errors": [{"field": "replica"}]}, "application/problem+json"),
        ("<html>no</html>", "text/html"),
        (None, "application/json"),
        (None, "application/problem+json"),
    ],
    ids=["detail", "problem without its fields", "page", "other type", "problem without field errors"],
)
def test_deployments_wait_for_the_data_service_where_another_server_refuses_them(
    make_settings, referenced, data_service, told, status, refusal, content_type
):
    path, _ = referenced()
    settings = make_settings(model_uri=str(path), data_api_url=data_service.url)
    data_service.answer_model, data_service.answer_deployment = status, lambda deployment: status
    data_service.refusal, data_service.refusal_type = refusal, content_type
    if content_type == "application/json":
        data_service.faults = lambda content: ["replica"]
    with TestClient(create_app(settings)) as client:
        until(lambda: told("deployments wait on disk"))
        assert "Check DATA_API_URL" in client.get("/readyz").json()["checks"]["outbox"]["deployments"]
        stored = newest(settings.outbox_dir)
    assert not dead_letters(settings.outbox_dir)
    assert not told("refuses a deployment")
    data_service.answer_model, data_service.answer_deployment = 200, lambda deployment: 200
    with TestClient(create_app(settings)):
        until(lambda: len(data_service.deployments) == 2)

    assert set(stored) < set(data_service.deployments)


def test_a_stop_tells_the_end_and_leaves_nothing_behind(make_server, data_service, folder):
    server = make_server(DATA_API_URL=data_service.url)
    before = datetime.now(UTC)
    assert server.stop() in {0, -15}

    (found,) = last(data_service.deployments).values()
    assert before <= at(found["ended_at"]) == at(found["last_seen_at"]) <= datetime.now(UTC)
    assert found["replica"] == f"{socket.gethostname()}:{server.url.rpartition(':')[2]}"
    assert not unended(folder)


def test_a_killed_service_ended_where_it_was_last_seen(make_server, data_service, folder):
    server = make_server(DATA_API_URL=data_service.url)
    until(lambda: data_service.deployments)
    server.kill()
    ((killed, left),) = unended(folder).items()
    assert left["ended_at"] is None
    time.sleep(0.2)

    restarted = datetime.now(UTC)
    make_server(DATA_API_URL=data_service.url)
    until(lambda: len(data_service.deployments) == 2 and killed not in unended(folder))

    old, new = last(data_service.deployments).values()
    assert old == {**left, "ended_at": left["last_seen_at"]}
    assert at(old["ended_at"]) < restarted <= at(new["started_at"])
    assert new["ended_at"] is None


def test_services_that_were_killed_while_the_data_service_was_away_are_told_later(
    make_server, make_model, data_service, folder
):
    data_service.stop()
    versions = []
    for bias in (0.0, 1.0, 2.0):
        versions.append(artifact.read(make_model(bias=bias)).version)
        server = make_server(DATA_API_URL=data_service.url, MODEL_URI=make_model(bias=bias))
        assert httpx.get(f"{server.url}/model").json()["version"] == versions[-1]
        server.kill()
    left = newest(folder)
    assert [one["ended_at"] is None for one in left.values()] == [False, False, True]
    data_service.start()

    server = make_server(DATA_API_URL=data_service.url, MODEL_URI=make_model(bias=2.0))
    until(lambda: len(data_service.deployments) == 4)

    found = last(data_service.deployments)
    assert [one["model_version"] for one in found.values()] == [*versions, versions[-1]]
    assert list(found)[:3] == list(left)
    assert [one["ended_at"] for one in found.values()] == [*(one["last_seen_at"] for one in left.values()), None]


def test_a_second_service_that_may_not_start_ends_no_deployment(make_server, data_service, folder):
    make_server(DATA_API_URL=data_service.url)
    until(lambda: data_service.deployments)

    assert make_server(ready=False, DATA_API_URL=data_service.url).process.wait(20) == 1

    assert [one["ended_at"] for one in unended(folder).values()] == [None]
    assert len(data_service.deployments) == 1


@pytest.mark.parametrize(
    ("answer", "fields"),
    [(SILENT, []), (503, []), (422, []), (422, ["last_seen_at"]), (409, ["started_at"])],
    ids=["silent", "away", "refuses without a word", "refuses a field", "knows another"],
)
def test_predictions_and_a_stop_do_not_wait_for_who_takes_no_deployments(
    make_server, data_service, record, folder, answer, fields
):
    data_service.answer_deployment, data_service.faults = lambda deployment: answer, lambda content: fields
    server = make_server(DATA_API_URL=data_service.url)
    until(lambda: data_service.deployment_answers)

    begin = time.monotonic()
    assert httpx.post(f"{server.url}/predict", json=record).status_code == 200
    assert time.monotonic() - begin < SEND_SECONDS
    assert server.stop() in {0, -15}
    assert time.monotonic() - begin < 20

    assert len(data_service.recorded) == 1
    assert [content["ended_at"] is not None for content in newest(folder).values()] == [True]
    assert [content["ended_at"] is not None for _, content in dead_letters(folder)] == [True] * bool(fields)


def test_damaged_lines_are_told_and_stop_nothing(make_settings, data_service, record, folder, told):
    with TestClient(create_app(make_settings())):
        pass
    (path,) = (folder / "deployments").glob("*.log")
    path.write_bytes(path.read_bytes().replace(b"replica", b"rep\xff\x00ca") + b"half a li")

    with TestClient(create_app(make_settings(data_api_url=data_service.url))) as client:
        assert client.post("/predict", json=record).status_code == 200
        until(lambda: data_service.deployments)

    assert told("damaged") == 1
    assert len(data_service.deployments) == 1


def test_deployments_without_a_data_service_are_told_by_the_next_start(make_settings, data_service, folder):
    with TestClient(create_app(make_settings())):
        pass
    ((first, kept),) = newest(folder).items()
    with TestClient(create_app(make_settings(data_api_url=data_service.url))):
        until(lambda: first in data_service.deployments)

    assert all(content == kept for content in data_service.deployments[first])  # more than once where a stop came between


def test_another_model_answers_only_once_its_deployment_is_on_disk(folder, make_model):
    async def story():
        deployments = Deployments(folder, "here")
        begun, answered_meanwhile = [], []

        async def announce(model):
            await deployments.begin(model)
            assert model.model.version in [one["model_version"] for one in newest(folder).values()]
            answered_meanwhile.append(live.current if begun else None)
            begun.append(model)

        live = ModelManager(ModelSource(str(make_model())), Metrics(), 3, announce)
        await live.open()
        make_model(bias=1.0)
        assert await live.reload() is True
        assert answered_meanwhile == [None, begun[0]]
        assert live.current is begun[1]
        await deployments.close()

    asyncio.run(story())

    assert [one["ended_at"] is not None for one in newest(folder).values()] == [True, True]


@pytest.mark.parametrize("receiver", [None, Receiver(DataServiceUnavailable("away"))], ids=["none", "away"])
def test_a_heartbeat_is_written_though_nobody_takes_it(folder, served, receiver):
    model = served()

    async def story():
        deployments = Deployments(folder, "here", receiver and receiver.send, heartbeat_seconds=BEAT)
        async with running(deployments, model):
            (first,) = unended(folder).values()
            await until_async(
                lambda: at(*[one["last_seen_at"] for one in unended(folder).values()]) > at(first["last_seen_at"])
            )
            (second,) = unended(folder).values()
            await until_async(
                lambda: at(*[one["last_seen_at"] for one in unended(folder).values()]) > at(second["last_seen_at"])
            )
        assert {**second, "last_seen_at": None} == {**first, "last_seen_at": None}

    asyncio.run(story())


def test_only_seen_and_the_end_of_a_deployment_change_and_only_forward(folder, served):
    receiver, models = Receiver(), [served(), served(1.0)]

    async def story():
        deployments = Deployments(folder, "here", receiver.send, heartbeat_seconds=BEAT)
        async with running(deployments, models[0]):
            await until_async(lambda: receiver.asked > 3)
            path, deployment = deployments._live
            ahead = deployment["last_seen_at"] + timedelta(minutes=5)
            deployments._live = path, {**deployment, "last_seen_at": ahead}  # and then the clock was set back
            asked = receiver.asked
            await until_async(lambda: receiver.asked > asked + 2)
            await deployments.begin(models[1])
            await until_async(lambda: len(receiver.got) == 2 and len(unended(folder)) == 1)
        await deployments.close()
        return ahead

    ahead = asyncio.run(story())

    for said in receiver.got.values():
        assert len({json.dumps({**one, "last_seen_at": None, "ended_at": None}) for one in said}) == 1
        assert (moments := [at(one["last_seen_at"]) for one in said]) == sorted(moments)
        assert [one["ended_at"] is None for one in said] == [True] * (len(said) - 1) + [False]
    assert at(last(receiver.got)[min(receiver.got)]["ended_at"]) == ahead
    assert not unended(folder)


def test_an_outage_is_logged_once_and_the_next_one_again(folder, served, told):
    receiver, model = Receiver(DataServiceUnavailable("503")), served()

    async def story():
        deployments = Deployments(folder, "here", receiver.send, heartbeat_seconds=BEAT)
        async with running(deployments, model):
            await until_async(lambda: receiver.asked > 3)
            assert told("deployments wait on disk") == 1
            receiver.error = None
            await until_async(lambda: receiver.got)
            receiver.error = DataServiceUnavailable("503")
            asked = receiver.asked
            await until_async(lambda: receiver.asked > asked + 3)
        await deployments.close()

    asyncio.run(story())

    assert told("deployments wait on disk") == 2


def test_a_refused_deployment_is_logged_once_tried_while_it_lives_and_a_dead_letter_after(folder, served, told):
    receiver, models = (
        Receiver(ContentRejected("422: as the test wants it", ["last_seen_at"], is_final=True)),
        [served(), served(1.0)],
    )

    async def story():
        deployments = Deployments(folder, "here", receiver.send, heartbeat_seconds=BEAT)
        async with running(deployments, models[0]):
            await until_async(lambda: receiver.asked > 3)
            assert told("refuses a deployment") == 1
            assert not dead_letters(folder)
            ((first, _),) = unended(folder).items()
            await deployments.begin(models[1])
            await until_async(lambda: dead_letters(folder))
            receiver.error = None
            await until_async(lambda: receiver.got)
        await deployments.close()
        return first

    first = asyncio.run(story())

    assert [path for path, _ in dead_letters(folder)] == [f"/deployments/{first}"]
    assert first not in receiver.got
    assert told("refuses a deployment") == 2
    assert told("deployments wait on disk") == 0


def test_a_disk_that_refuses_stops_no_model_and_the_deployments_come_once_it_can(folder, served, told, monkeypatch):
    receiver, models = Receiver(), [served(), served(1.0)]

    def full(*_):
        raise OSError(28, "No space left on device")

    async def story():
        deployments = Deployments(folder, "here", receiver.send, heartbeat_seconds=BEAT)
        with monkeypatch.context() as disk:
            disk.setattr(os, "write", full)
            async with running(deployments, *models):
                await asyncio.sleep(5 * BEAT)
                assert not receiver.got
                disk.undo()
                await until_async(lambda: len(receiver.got) == 2)
        await deployments.close()

    asyncio.run(story())

    assert [said["ended_at"] is not None for said in last(receiver.got).values()] == [True, True]
    assert told("cannot be written") == 1


@pytest.mark.parametrize(("sync", "synced"), [("process", 0), ("full", 1)])
def test_a_deployment_is_as_durable_as_a_prediction(folder, served, monkeypatch, sync, synced):
    model, calls = served(), []
    deployments = Deployments(folder, "here", sync=sync)
    monkeypatch.setattr(os, "fdatasync", calls.append)

    async def story():
        await deployments.begin(model)
        assert len(calls) == synced
        await deployments.close()

    asyncio.run(story())
