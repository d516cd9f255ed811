"""A push monitor hears from the service while work succeeds, and nobody ever sees its address."""

import asyncio
import time
from contextlib import asynccontextmanager
from types import SimpleNamespace

import httpx
import pytest
from starlette.testclient import TestClient

from prediction_api.app import create_app
from prediction_api.heartbeat import send_heartbeats
from push_monitor import TOKEN, PushMonitor
from service_kit.heartbeat import Heartbeat
from serving.data_service import DataService

BEAT = 0.02


@pytest.fixture
def monitor():
    monitor = PushMonitor()
    yield monitor
    monitor.stop()


@pytest.fixture
def outbox():
    """As much of an outbox as a heartbeat looks at."""
    return SimpleNamespace(depth=0, failure=None)


@pytest.fixture
def delivery():
    """As much of a delivery as a heartbeat looks at."""
    return SimpleNamespace(arrived=0, failure=None)


@asynccontextmanager
async def beating(monitor, outbox, delivery):
    task = asyncio.create_task(send_heartbeats(Heartbeat(monitor.url, "HEARTBEAT_URL"), outbox, delivery, BEAT))
    await asyncio.sleep(0)
    yield task
    task.cancel()
    await asyncio.wait([task])


async def beats_of(monitor, seconds=5 * BEAT):
    """How many heartbeats arrive in a while."""
    before = len(monitor.beats)
    await asyncio.sleep(seconds)
    return len(monitor.beats) - before


async def until_silent(monitor):
    """How many heartbeats have arrived, once no more come; one may be on its way when they end."""
    async with asyncio.timeout(30):
        while await beats_of(monitor):
            pass
    return len(monitor.beats)


async def until(true):
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(BEAT / 4)


def test_a_monitor_hears_again_and_again_while_nothing_waits(monitor, outbox, delivery):
    async def go():
        async with beating(monitor, outbox, delivery):
            await until(lambda: len(monitor.beats) >= 3)

    asyncio.run(go())
    assert set(monitor.beats) == {monitor.path}


def test_what_waits_and_does_not_arrive_ends_the_heartbeats_until_it_does(monitor, outbox, delivery):
    async def go():
        async with beating(monitor, outbox, delivery):
            await until(lambda: monitor.beats)
            outbox.depth = 5
            before = await until_silent(monitor)
            delivery.arrived = 3
            await until(lambda: len(monitor.beats) > before)
            before = await until_silent(monitor)
            outbox.depth = 0
            await until(lambda: len(monitor.beats) > before)

    asyncio.run(go())


@pytest.mark.parametrize("broken", ["delivery", "disk"])
def test_there_is_no_heartbeat_while_something_fails(monitor, outbox, delivery, broken):
    if broken == "delivery":
        outbox.depth, delivery.arrived, delivery.failure = 5, 3, "ConnectError"
    else:
        outbox.failure = "the outbox cannot be written"

    async def go():
        async with beating(monitor, outbox, delivery):
            assert await beats_of(monitor) == 0

    asyncio.run(go())


def test_a_silent_monitor_keeps_no_prediction_and_no_stop_waiting(make_settings, monitor, record):
    monitor.silent_seconds = 30
    with TestClient(create_app(make_settings(heartbeat_url=monitor.url))) as client:
        while not monitor.beats:
            time.sleep(0.01)
        begin = time.monotonic()
        assert client.post("/predict", json=record).status_code == 200
    assert time.monotonic() - begin < 20


def test_the_address_is_in_no_log_and_on_no_page_and_a_stop_ends_it(make_server, monitor, record):
    data_service = DataService()
    server = make_server(DATA_API_URL=data_service.url, HEARTBEAT_URL=monitor.url, LOG_LEVEL="DEBUG", ACCESS_LOG="true")
    while not monitor.beats:
        time.sleep(0.01)
    monitor.stop()
    pages = [httpx.get(f"{server.url}{path}").text for path in ("/readyz", "/metrics", "/model", "/openapi.json")]
    httpx.post(f"{server.url}/predict", json=record)

    assert server.stop() in {0, -15}
    data_service.stop()
    assert monitor.beats == [monitor.path]
    assert not [text for text in (*pages, server.log.read_text()) if TOKEN in text]
