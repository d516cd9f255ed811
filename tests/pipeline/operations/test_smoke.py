"""A prediction is followed through services and monitoring, and where it is missing is said."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.clients.services import ServiceUnavailable
from pipeline.operations import smoke
from pipeline.operations.smoke import SmokeTestFailed

WATERMARK = "2013-10-01T09:00:00Z"
FLIGHT = {"carrier": "UA", "flight": 1545, "origin": "EWR"}
DEPARTURE = {"table": "flights", "key": FLIGHT, "known_at": WATERMARK, "values": {"dep_delay": 3}}
WEATHER = {"table": "weather", "key": {"origin": "EWR"}, "known_at": WATERMARK, "values": {"wind_speed": 3}}
SOURCE = {"recipe": "flights"}
COLUMNS = [{"name": "wind", "example": 3.5}, {"name": "origin", "example": "EWR"}]


class Everything:
    """All services, Prometheus and Uptime Kuma over real HTTP, as far as one prediction and one event see them.

    ``events`` is the log; the board follows it, and lists the flights of ``upcoming``.
    """

    def __init__(self):
        self.records, self.stored, self.outcomes, self.scraped, self.asked = [], [], [], [0, 0, 0, 0], 0
        self.delivers, self.scrapes, self.beats = True, True, {"1": 1, "2": 1}
        self.source, self.events, self.follows, self.upcoming, self.questions = None, [], True, [], []
        whole = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self._answer(whole.get(urlsplit(self.path)))

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(whole.post(urlsplit(self.path).path, body))

            def _answer(self, found):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(found).encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def get(self, asked):
        names = {"1": "PostgreSQL", "2": "Grafana"}
        if asked.path == "/api/v1/query":
            (query,) = parse_qs(asked.query)["query"]
            counts = [*map(len, (self.records, self.stored, self.outcomes)), self.asked] if self.scrapes else self.scraped
            value = counts[list(smoke.COUNTED.values()).index(query)]
            return {"data": {"result": [{"metric": {"instance": "a"}, "value": [0, str(value)]}] if value else []}}
        if asked.path == "/readyz":
            self.asked += 1
            return {"checks": {"log": {"position": len(self.events)} if self.follows else {}}}
        if asked.path == "/events":
            return self.events[int(parse_qs(asked.query)["after"][0])]
        return {
            "/model": {"schema": {"columns": COLUMNS, "source": self.source}},
            "/events/watermark": {"position": len(self.events) or None, "watermark": self.events and WATERMARK},
            "/upcoming": {"flights": [{"flight": key} for key in self.upcoming]},
            "/predictions": {"predictions": [{"prediction_id": one} for one in self.stored]},
            "/api/status-page/ontime": {
                "publicGroupList": [{"monitorList": [{"id": int(one), "name": name} for one, name in names.items()]}]
            },
            "/api/status-page/heartbeat/ontime": {
                "heartbeatList": {one: [{"status": 0}, {"status": status}] for one, status in self.beats.items()}
            },
        }[asked.path]

    def post(self, path, body):
        if path == "/predict":
            self.records.append(json.loads(body))
            if self.delivers:
                self.stored.append("p1")
            return {"prediction_id": "p1", "probability": 0.25, "model_version": "v7"}
        if path == "/outcomes":
            self.outcomes += json.loads(body)["outcomes"]
        if path == "/events":
            self.events += json.loads(body)["events"]
            return {"recorded": 1, "known": 0}
        if path == "/predictions":
            self.questions.append(json.loads(body))
            return {"probability": 0.75}
        return {"access_token": "t"}


@pytest.fixture
def everything(monkeypatch):
    made = Everything()
    for name in ("PREDICTION_API_URL", "DATA_API_URL", "BOARD_URL", "PROMETHEUS_URL", "UPTIME_KUMA_URL"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{made.server.server_port}")
    for name in ("DELIVERED_SECONDS", "FOLLOWED_SECONDS", "SCRAPED_SECONDS", "UP_SECONDS"):
        monkeypatch.setattr(smoke, name, 0.3)
    monkeypatch.setattr(smoke, "AGAIN_SECONDS", 0.05)
    monkeypatch.setattr("sys.argv", ["smoke"])
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_the_example_of_the_schema_is_predicted_stored_judged_and_counted(everything, capsys):
    smoke.main()

    assert everything.records == [{"wind": 3.5, "origin": "EWR"}]
    assert everything.outcomes == [{"prediction_id": "p1", "outcome": True}]
    said = capsys.readouterr().err
    assert "The whole system works: model v7 gave 0.250 for p1. The board is ready, and follows no events." in said


@pytest.mark.parametrize(
    ("newest", "upcoming", "question"),
    [(DEPARTURE, [], FLIGHT), (WEATHER, [{**FLIGHT, "flight": 7}], {**FLIGHT, "flight": 7}), (WEATHER, [], None)],
    ids=["the newest event's", "one that comes next", "none"],
)
def test_an_event_that_changes_nothing_is_followed_and_the_board_is_asked(everything, capsys, newest, upcoming, question):
    everything.source, everything.events, everything.upcoming = SOURCE, [newest], upcoming
    smoke.main()

    assert everything.events == [newest, {**newest, "values": {}}]
    assert everything.questions == ([{"flight": question}] if question else [])
    answer = (
        f"and gave 0.750 for flight UA {question['flight']} EWR." if question else "which has no flight of the next 48 h"
    )
    assert f"The board follows the event log, {answer}" in capsys.readouterr().err


def test_into_an_empty_log_nothing_is_sent(everything, capsys):
    everything.source = SOURCE
    smoke.main()

    assert everything.events == []
    assert "The board is ready, and the event log is empty." in capsys.readouterr().err


def test_the_core_is_followed_without_the_monitoring(everything, monkeypatch, capsys):
    everything.scrapes, everything.beats = False, {}
    monkeypatch.setattr("sys.argv", ["smoke", "--core"])
    smoke.main()

    assert "The core works" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (
            {"delivers": False},
            "should have the prediction that http://.* gave: p1 is not there: 0.3 seconds were not enough",
        ),
        ({"scrapes": False}, "counted predictions answered, predictions stored, outcomes stored, requests to the board: "),
        (
            {"source": SOURCE, "events": [DEPARTURE], "follows": False},
            "http://.* should follow the event log: it has not seen position 2: 0.3 seconds were not enough",
        ),
        ({"beats": {"1": 1, "2": 0}}, "Uptime Kuma should see everything up, and not yet Grafana: "),
        ({"beats": {"1": 1}}, "and not yet Grafana: "),
    ],
    ids=["not delivered", "not scraped", "not followed", "down", "no beat yet"],
)
def test_what_is_missing_is_named(everything, broken, said):
    for name, value in broken.items():
        setattr(everything, name, value)

    with pytest.raises(SmokeTestFailed, match=said):
        smoke.main()


def test_a_monitoring_that_is_away_is_told_to_come_up(everything, monkeypatch):
    monkeypatch.setenv("PROMETHEUS_URL", "http://127.0.0.1:9")

    with pytest.raises(
        ServiceUnavailable, match=r"nobody answers at http://127\.0\.0\.1:9 \(PROMETHEUS_URL\)\. Type `make up`"
    ):
        smoke.main()


@pytest.mark.parametrize(
    ("before", "now", "counted"),
    [
        ({}, {}, False),
        ({"a": 7.0}, {"a": 7.0}, False),
        ({"a": 7.0}, {"a": 8.0}, True),
        ({"a": 7.0}, {"a": 0.0}, False),
        ({"a": 7.0}, {"a": 1.0}, True),
        ({"a": 7.0, "b": 2.0}, {"a": 7.0, "b": 3.0}, True),
        ({"a": 7.0}, {"a": 7.0, "b": 1.0}, True),
    ],
)
def test_a_service_that_began_anew_counts_from_nothing(before, now, counted):
    assert smoke._counted(now, before) == counted
