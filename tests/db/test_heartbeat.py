"""A push monitor hears from the service after each refresh of the live scores, and nobody ever sees its address."""

import time

import pytest

from data_api.app import create_app
from data_api.settings import read
from push_monitor import TOKEN, PushMonitor
from service_kit.errors import SettingsInvalid

REFRESH = 0.05


@pytest.fixture
def monitor():
    monitor = PushMonitor()
    yield monitor
    monitor.stop()


def beats_of(monitor):
    """How many heartbeats arrive during some refreshes."""
    before = len(monitor.beats)
    time.sleep(4 * REFRESH)
    return len(monitor.beats) - before


def until(true, seconds=30):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(REFRESH / 5)


def test_a_monitor_hears_after_each_refresh_that_succeeds_and_no_other(make_client, monitor, monkeypatch):
    make_client(live_refresh_seconds=REFRESH, data_api_heartbeat_url=monitor.url)
    until(lambda: len(monitor.beats) >= 3)
    assert set(monitor.beats) == {monitor.path}

    def fails(*_):
        raise RuntimeError("the database is away")

    monkeypatch.setattr("data_api.crud.performance.compute_scores", fails)
    until(lambda: beats_of(monitor) == 0)  # one may be on its way
    before = len(monitor.beats)
    monkeypatch.undo()
    until(lambda: len(monitor.beats) > before)


def test_the_address_is_on_no_page_and_in_no_refusal(make_client, make_settings, monitor):
    client = make_client(data_api_heartbeat_url=monitor.url)
    pages = [client.get(path).text for path in ("/readyz", "/metrics", "/openapi.json")]

    assert not [text for text in (*pages, repr(make_settings(data_api_heartbeat_url=monitor.url))) if TOKEN in text]
    with pytest.raises(SettingsInvalid, match="DATA_API_HEARTBEAT_URL: ") as caught:
        read(data_api_heartbeat_url=f"/api/push/{TOKEN}")
    assert TOKEN not in f"{caught.value}{caught.value.__cause__}"


def test_without_an_address_there_is_no_heartbeat(make_settings):
    assert create_app(make_settings()).state.service.heartbeat is None
