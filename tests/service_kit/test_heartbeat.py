"""Heartbeats reach a push monitor; one that takes none is logged once, and nobody ever sees its address."""

import asyncio
import base64
import logging
import time

import pytest

from push_monitor import TOKEN, PushMonitor
from service_kit.heartbeat import Heartbeat


@pytest.fixture
def monitor():
    monitor = PushMonitor()
    yield monitor
    monitor.stop()


@pytest.fixture
def logged(caplog, monkeypatch):
    """A function that gives the log records of the kit so far."""
    caplog.set_level(logging.INFO, "service_kit")
    monkeypatch.setattr(logging.getLogger("service_kit"), "propagate", True)
    return lambda: [record for record in caplog.records if record.name.startswith("service_kit")]


def test_a_monitor_that_takes_no_heartbeat_is_logged_once_and_without_its_address(monitor, logged):
    async def go():
        heartbeat = Heartbeat(monitor.url, "HEARTBEAT_URL")
        for monitor.answer in (404, 404, 200, 302, 200):
            await heartbeat.send()
        monitor.stop()
        for _ in range(3):
            await heartbeat.send()
        await heartbeat.close()

    asyncio.run(go())
    assert monitor.beats == [monitor.path] * 5
    assert [record.reason for record in logged()] == ["it answers 404", "it answers 302", "ConnectError"]
    assert {record.getMessage() for record in logged()} == {"the push monitor of HEARTBEAT_URL takes no heartbeat"}
    assert TOKEN not in "".join(str(vars(record)) for record in logged())


def test_the_name_and_password_in_an_address_are_sent(monitor):
    async def go():
        heartbeat = Heartbeat(monitor.url.replace("://", "://me:s%40cret@"), "HEARTBEAT_URL")
        await heartbeat.send()
        await heartbeat.close()

    asyncio.run(go())
    assert monitor.authorizations == ["Basic " + base64.b64encode(b"me:s@cret").decode()]


def test_a_silent_monitor_keeps_nobody_waiting_for_longer_than_the_timeout(monitor, logged):
    monitor.silent_seconds = 30

    async def go():
        heartbeat = Heartbeat(monitor.url, "HEARTBEAT_URL", timeout_seconds=0.1)
        await heartbeat.send()
        await heartbeat.close()

    begin = time.monotonic()
    asyncio.run(go())

    assert time.monotonic() - begin < 20
    assert len(logged()) == 1
