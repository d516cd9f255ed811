"""A prediction is followed through services and monitoring, and where it is missing is said."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.clients.services import ServiceUnavailable
from pipeline.operations import smoke
from pipeline.operations.smoke import SmokeTestFailed

COLUMNS = [{"name": "wind", "example": 3.5}, {"name": "origin", "example": "EWR"}]


class Everything:
    """Both services, Prometheus and Uptime Kuma over real HTTP, as far as one prediction sees them."""

    def __init__(self):
        self.records, self.stored, self.outcomes, self.scraped = [], [], [], [0, 0, 0]
        self.delivers, self.scrapes, self.beats = True, True, {"1": 1, "2": 1}
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
            counts = [len(self.records), len(self.stored), len(self.outcomes)] if self.scrapes else self.scraped
            value = counts[list(smoke.COUNTED.values()).index(query)]
            return {"data": {"result": [{"metric": {"instance": "a"}, "value": [0, str(value)]}] if value else []}}
        return {
            "/model": {"schema": {"columns": COLUMNS}},
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
        return {"access_token": "t"}


@pytest.fixture
def everything(monkeypatch):
    made = Everything()
    for name in ("PREDICTION_API_URL", "DATA_API_URL", "PROMETHEUS_URL", "UPTIME_KUMA_URL"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{made.server.server_port}")
    for name in ("DELIVERED_SECONDS", "SCRAPED_SECONDS", "UP_SECONDS"):
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
    assert "The whole system works: model v7 gave 0.250 for p1." in capsys.readouterr().err


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
        ({"scrapes": False}, "Prometheus should have counted predictions answered, predictions stored, outcomes stored: "),
        ({"beats": {"1": 1, "2": 0}}, "Uptime Kuma should see everything up, and not yet Grafana: "),
        ({"beats": {"1": 1}}, "and not yet Grafana: "),
    ],
    ids=["not delivered", "not scraped", "down", "no beat yet"],
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
