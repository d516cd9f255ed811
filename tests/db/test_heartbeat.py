"""A push monitor hears from the service after each refresh of the live scores, and nobody ever sees its address."""

import logging
import time

import pytest

from data_api.app import create_app
from data_api.errors import SettingsInvalid
from data_api.heartbeat import Heartbeat
from data_api.settings import read
from push_monitor import TOKEN, PushMonitor

REFRESH = 0.05


@pytest.fixture
def monitor():
    monitor = PushMonitor()
    yield monitor
    monitor.stop()


@pytest.fixture
def told(caplog, monkeypatch):
    """A function that gives the log records of the service so far."""
    caplog.set_level(logging.INFO, "data_api")
    monkeypatch.setattr(logging.getLogger("data_api"), "propagate", True)
    return lambda: caplog.records


def until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(REFRESH / 5)


def test_a_monitor_hears_after_each_refresh_that_succeeds_and_no_other(make_client, monitor, monkeypatch):
    client = make_client(live_refresh_seconds=REFRESH, data_api_heartbeat_url=monitor.url)
    until(lambda: len(monitor.beats) >= 3)
    assert set(monitor.beats) == {monitor.path}

    def fails():
        raise RuntimeError("the database is away")

    monkeypatch.setattr(client.app.state.service, "refresh_live", fails)
    time.sleep(4 * REFRESH)
    before = len(monitor.beats)
    time.sleep(4 * REFRESH)
    assert len(monitor.beats) == before
    monkeypatch.undo()
    until(lambda: len(monitor.beats) > before)


def test_a_monitor_that_takes_no_heartbeat_is_told_of_once_and_without_its_address(monitor, told):
    heartbeat = Heartbeat(monitor.url)
    for monitor.answer in (404, 404, 200, 302):
        heartbeat.send()
    monitor.answer = 200
    heartbeat.send()
    monitor.stop()
    for _ in range(3):
        heartbeat.send()

    assert [record.reason for record in told()] == ["it answers 404", "it answers 302", "ConnectionRefusedError"]
    assert len(monitor.beats) == 5
    assert TOKEN not in "".join(str(vars(record)) for record in told())


def test_a_silent_monitor_keeps_the_refresh_waiting_for_seconds_alone(monitor, told, monkeypatch):
    monkeypatch.setattr("data_api.heartbeat.TIMEOUT_SECONDS", 0.1)
    monitor.silent_seconds = 30
    begin = time.monotonic()
    Heartbeat(monitor.url).send()

    assert time.monotonic() - begin < 2
    assert [record.reason for record in told()] == ["TimeoutError"]


def test_the_address_is_on_no_page_and_in_no_refusal(make_client, make_settings, monitor):
    client = make_client(data_api_heartbeat_url=monitor.url)
    pages = [client.get(path).text for path in ("/readyz", "/metrics", "/openapi.json")]

    assert not [text for text in (*pages, repr(make_settings(data_api_heartbeat_url=monitor.url))) if TOKEN in text]
    with pytest.raises(SettingsInvalid, match="DATA_API_HEARTBEAT_URL: ") as caught:
        read(data_api_heartbeat_url=f"/api/push/{TOKEN}")
    assert TOKEN not in f"{caught.value}{caught.value.__cause__}"


def test_without_an_address_there_is_no_heartbeat(make_settings):
    assert create_app(make_settings()).state.service.heartbeat is None
