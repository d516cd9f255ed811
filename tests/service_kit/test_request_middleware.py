"""What every request of every service gets: an id, limits, a log line, a count, and a problem where it fails."""

import json
import logging

import pytest
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router
from starlette.testclient import TestClient

from service_kit.body_limit import BodyLimit
from service_kit.logs import AccessLog
from service_kit.problems import ProblemError
from service_kit.request_middleware import RequestLimits, RequestMiddleware

LIMITS = RequestLimits(2, "MAX_CONCURRENCY", BodyLimit(10, "MAX_BODY_BYTES"), {"/large": BodyLimit(100, "one record")})


async def echo(request):
    return PlainTextResponse(await request.body())


async def broken(_request):
    raise RuntimeError("a secret of the inside")


async def refused(_request):
    raise ProblemError(403, "Not you.")


async def left(_request):
    raise ClientDisconnect


class Service:
    """A small application behind the middleware; ``counted`` is what it counted."""

    def __init__(self, access_log=None):
        routes = [
            Route(path, endpoint, methods=["GET", "POST"])
            for path, endpoint in {
                "/echo": echo, "/large": echo, "/broken": broken, "/refused": refused, "/left": left, "/rows/{row}": echo,
                "/healthz": echo,
            }.items()
        ]  # fmt: skip
        self.counted = []
        self.middleware = RequestMiddleware(Router(routes), LIMITS, self.count, frozenset(("/echo",)), access_log)
        self.client = TestClient(self.middleware, raise_server_exceptions=False)

    def count(self, route, status, _seconds):
        self.counted.append((route, status))


@pytest.fixture
def service():
    return Service()


def problem(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["detail"]


def test_a_plain_request_id_comes_back_and_another_is_replaced(service):
    def id_of(given):
        return service.client.get("/echo", headers={"x-request-id": given}).headers["x-request-id"]

    assert id_of("mine-1") == "mine-1"
    assert len(id_of("not\tmine")) == len(id_of("")) == 36


def test_a_body_within_its_limit_is_read_and_one_over_it_is_refused(service):
    assert service.client.post("/echo", content=b"x" * 10).text == "x" * 10
    assert problem(service.client.post("/echo", content=b"x" * 11)) == (
        413, "The body should hold at most 10 bytes (MAX_BODY_BYTES); it holds 11.",
    )  # fmt: skip
    assert service.client.post("/large", content=b"x" * 100).status_code == 200
    assert problem(service.client.post("/large", content=iter([b"x" * 60, b"x" * 60, b"x"])))[1].endswith(
        "(one record); it holds 121."
    )


def test_a_request_beyond_the_limit_is_told_to_come_back_and_monitoring_is_answered(service):
    service.middleware._places.update((object(), object()))
    answer = service.client.get("/echo")

    assert problem(answer) == (503, "2 requests are being answered (MAX_CONCURRENCY). Try again in a moment.")
    assert answer.headers["retry-after"] == "1"
    assert service.client.get("/healthz").status_code == 200
    service.middleware._places.pop()
    assert service.client.get("/echo").status_code == 200
    assert len(service.middleware._places) == 1


def test_a_failure_says_nothing_outside_and_all_in_the_log(service, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("service_kit"), "propagate", True)
    answer = service.client.get("/broken", headers={"x-request-id": "mine-2"})

    assert problem(answer) == (500, "The service failed; its log says why under request mine-2.")
    assert answer.headers["x-request-id"] == "mine-2"
    (record,) = (record for record in caplog.records if record.name == "service_kit.request_middleware")
    assert (record.request_id, record.path, str(record.exc_info[1])) == ("mine-2", "/broken", "a secret of the inside")


def test_requests_are_counted_by_route_and_status_and_unknown_paths_share_a_label(service):
    for path in ("/echo", "/rows/1", "/rows/2", "/nowhere", "/left", "/broken"):
        service.client.get(path)

    assert service.counted == [
        ("/echo", 200), ("/rows/{row}", 200), ("/rows/{row}", 200), ("other", 404), ("/left", 499), ("/broken", 500),
    ]  # fmt: skip


def test_a_request_refused_before_its_route_is_found_is_counted_under_its_path_where_that_is_known(service):
    service.middleware._places.update((object(), object()))
    service.client.get("/echo")
    service.client.get("/rows/1")

    assert service.counted == [("/echo", 503), ("other", 503)]


def test_the_access_log_is_a_line_of_json_for_each_request_and_is_complete_at_the_end(capsysbinary):
    with Service(AccessLog()).client as client:
        client.get("/nowhere", headers={"x-request-id": "mine-3"})

    (line,) = map(json.loads, capsysbinary.readouterr().err.splitlines())
    assert list(line)[:3] == ["time", "level", "message"]
    assert (line["path"], line["status"], line["request_id"], line["caller"]) == ("/nowhere", 404, "mine-3", None)
