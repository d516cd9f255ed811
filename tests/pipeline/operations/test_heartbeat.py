"""A run that finished is told to a push monitor, whose absence fails nothing and whose token nobody sees."""

import pytest

from pipeline.operations import heartbeat
from push_monitor import TOKEN, PushMonitor


@pytest.fixture
def monitor(monkeypatch):
    made = PushMonitor()
    monkeypatch.setenv(heartbeat.SETTING, made.url)
    monkeypatch.setattr(heartbeat, "PATIENCE", heartbeat.Retry(1, backoff_factor=0.01, status_forcelist=(404,)))
    yield made
    made.stop()


def test_a_run_that_finished_is_told_once(monitor):
    heartbeat.main()

    assert monitor.beats == [monitor.path]


def test_a_monitor_that_is_made_right_now_is_asked_again(monitor, capsys):
    monitor.answer = 404
    heartbeat.main()

    assert len(monitor.beats) == 2
    said = capsys.readouterr().err
    assert "warning: PIPELINE_HEARTBEAT_URL should take the heartbeat of this run; it did not (RetryError)." in said
    assert TOKEN not in said


def test_a_monitor_that_is_away_fails_nothing(monitor, capsys):
    monitor.stop()
    heartbeat.main()

    assert TOKEN not in capsys.readouterr().err


def test_without_an_address_nobody_is_told(tmp_path, monkeypatch):
    monkeypatch.delenv(heartbeat.SETTING, raising=False)

    assert heartbeat.address({}, tmp_path) == ""


def test_an_address_comes_from_a_file_of_secrets_too_and_the_environment_goes_before(tmp_path):
    (tmp_path / "pipeline_heartbeat_url").write_text("http://a/b\n")

    assert heartbeat.address({}, tmp_path) == "http://a/b"
    assert heartbeat.address({heartbeat.SETTING: "http://c"}, tmp_path) == "http://c"
