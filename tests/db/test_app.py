"""What every request meets: one shape of refusals, limits, ids, metrics, and a database that may be away."""

import json
import logging
import re
import time

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from data_api.app import create_app
from data_api.database.engine import POOL_SECONDS, create_engine_for, transaction
from data_api.database.migrations_runner import head
from db.postgresql_server import PostgresqlServer
from service_kit.logs import QUIET, configure

JSON = {"content-type": "application/json"}
own_database = pytest.mark.parametrize("url", ["sqlite"], indirect=True)  # the other kind would show the same once more


def refusal(answer):
    """The status and the detail of an answer that is a problem in the one shape."""
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(problem) - {"errors"} == {"type", "title", "status", "detail"}
    assert problem["status"] == answer.status_code
    return answer.status_code, problem["detail"]


def test_every_refusal_has_one_shape(client, as_service, as_admin):
    def post(path, content, headers=JSON, who=as_service):
        return refusal(client.post(path, content=content, headers={**headers, **who}))

    assert refusal(client.get("/nowhere")) == (404, "Not Found")
    assert refusal(client.delete("/predictions")) == (405, "This path takes GET, POST.")
    assert refusal(client.get("/users"))[0] == 401
    assert refusal(client.get("/users", headers=as_service)) == (
        403, "This wants the role admin; prediction-service has the role service.",
    )  # fmt: skip
    assert refusal(client.get("/users/99", headers=as_admin)) == (404, "There is no user 99.")
    assert post("/outcomes", b"{}") == (422, "One field is not as the API wants it; GET /docs shows how.")
    for path, who in (("/outcomes", as_service), ("/users", as_admin)):
        assert post(path, b"{", who=who)[0] == 400
        assert post(path, b"\xff", who=who)[0] in {400, 422}
        assert post(path, b"{}", {"content-type": "text/plain"}, who)[0] == 415
        assert post(path, b"{}", {**JSON, "content-encoding": "gzip"}, who)[0] == 415
        assert post(path, b"{}", {}, who)[0] == 415
        assert post(path, b"{}", {"content-type": "application/json; charset=latin-1"}, who)[0] == 415
        assert post(path, b"\xef\xbb\xbf{}", {"content-type": "Application/JSON; version=1;"}, who)[0] == 422


def test_a_body_that_is_too_large_is_refused(make_client, as_service, as_admin):
    client = make_client(data_api_max_body_bytes=2000)

    status, detail = refusal(client.post("/predictions", content=b" " * 2001, headers={**JSON, **as_service}))
    assert (status, detail) == (413, "The body should hold at most 2,000 bytes (DATA_API_MAX_BODY_BYTES); it holds 2,001.")
    assert refusal(client.post("/users", content=b" " * (2**18 + 1), headers={**JSON, **as_admin}))[0] == 413
    assert refusal(client.post("/predictions", content=b" " * 2000, headers={**JSON, **as_service}))[0] == 400


def test_a_request_has_an_id(client):
    assert client.get("/healthz", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert re.fullmatch(
        r"[0-9a-f-]{36}", client.get("/healthz", headers={"x-request-id": "not\tmine"}).headers["x-request-id"]
    )


def test_metrics_count_requests_by_route_and_not_by_path(client, as_admin):
    for path in ("/users/1", "/users/2", "/nowhere", "/elsewhere"):
        client.get(path, headers=as_admin)

    lines = client.get("/metrics").text.splitlines()
    counts = {line for line in lines if line.startswith("data_api_request_seconds_count")}
    assert 'data_api_request_seconds_count{route="/users/{user_id}",status="200"} 2.0' in counts
    assert 'data_api_request_seconds_count{route="other",status="404"} 2.0' in counts
    assert not any("nowhere" in line for line in lines)
    assert "data_api_ready 1.0" in lines
    assert "data_api_pool_size 10.0" in lines


def test_a_request_beyond_the_limit_is_told_to_come_back(make_client, as_admin):
    client = make_client(data_api_max_concurrency=1)
    middleware = client.app.middleware_stack
    while not hasattr(middleware, "_places"):
        middleware = middleware.app
    middleware._places.add(object())

    answer = client.get("/users", headers=as_admin)

    assert refusal(answer)[0] == 503
    assert answer.headers["retry-after"] == "1"
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200


def test_what_fails_inside_says_nothing_outside_and_all_in_the_log(make_client, caplog, monkeypatch):
    client = make_client()
    monkeypatch.setattr(client.app.state.service.metrics, "registry", None)
    monkeypatch.setattr(logging.getLogger("service_kit"), "propagate", True)

    status, detail = refusal(client.get("/metrics", headers={"x-request-id": "mine-2"}))

    assert (status, detail) == (500, "The service failed; its log says why under request mine-2.")
    assert [record.request_id for record in caplog.records if record.levelname == "ERROR"] == ["mine-2"]


def test_the_page_of_the_api_needs_no_network(client):
    assert "http" not in re.sub(r"http://(testserver|www\.w3\.org)", "", client.get("/docs").text)


def test_an_answer_waits_for_the_commit(client, engine, as_service, prediction):
    @event.listens_for(engine, "commit")
    def fails(_connection):
        raise OperationalError("COMMIT", None, Exception("the disk is full"))

    answer = client.post("/predictions", json={"predictions": [prediction()]}, headers=as_service)
    event.remove(engine, "commit", fails)

    assert refusal(answer) == (503, "The database does not answer.")
    assert client.get("/metrics").text.count('data_api_rows_written_total{table="predictions"} 0.0') == 1


def test_a_schema_that_is_behind_is_not_ready(client, engine):
    with transaction(engine) as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0002'"))
    for _ in range(20):  # a look that began before the change may end after this one
        client.app.state.service.check_database()
        answer = client.get("/readyz")
        if answer.status_code == 503:
            break
        time.sleep(0.1)

    assert answer.status_code == 503
    assert answer.json()["checks"] == {
        "database": {"ok": True, "answers": "ok"},
        "migrations": {"ok": False, "wanted": head(), "found": "0002"},
    }


@own_database
def test_a_locked_sqlite_file_is_a_database_that_is_away(make_client, tmp_path, as_service, prediction, monkeypatch):
    monkeypatch.setattr("data_api.database.engine.BUSY_SECONDS", 0.2)
    client = make_client(database_url=f"sqlite:///{tmp_path}/locked.db")
    engine = client.app.state.service.engine
    with transaction(engine) as session:
        session.execute(text("UPDATE users SET name = name"))
        answer = client.post("/predictions", json={"predictions": [prediction()]}, headers=as_service)

    assert refusal(answer)[0] == 503
    assert client.post("/predictions", json={"predictions": [prediction()]}, headers=as_service).status_code == 201


@own_database
def test_a_database_that_is_away_at_the_start_is_waited_for(make_client, as_service, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("data_api"), "propagate", True)
    server = PostgresqlServer(may_forget=True)
    server.stop()
    try:
        client = make_client(database_url=server.url)
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").json()["checks"]["database"]["ok"] is False
        assert client.get("/metrics").text.count("data_api_ready 0.0") == 1
        answer = client.get("/me", headers=as_service)
        assert refusal(answer) == (503, "The database does not answer.")
        assert "127.0.0.1" not in client.get("/readyz").text
        assert any("127.0.0.1" in getattr(record, "reason", "") for record in caplog.records)
        assert answer.headers["retry-after"] == "1"
        server.start()
        end = time.monotonic() + 20
        while client.get("/readyz").status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert client.get("/me", headers=as_service).json()["role"] == "service"
    finally:
        server.close()


@own_database
def test_connections_that_the_server_closed_fail_no_request(make_client, postgresql_url, as_service):
    client = make_client(database_url=postgresql_url)
    assert client.get("/me", headers=as_service).status_code == 200
    with create_engine_for(postgresql_url).begin() as other:
        other.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                "AND datname = current_database()"
            )
        )

    assert client.get("/me", headers=as_service).status_code == 200


@own_database
def test_a_database_that_goes_away_is_said_by_those_who_watch(make_client):
    server = PostgresqlServer(may_forget=True)
    try:
        client = make_client(database_url=server.url)

        def told(ready):
            end = time.monotonic() + 20
            while client.get("/readyz").status_code != (200 if ready else 503):
                assert time.monotonic() < end
                time.sleep(0.1)
            return client.get("/metrics").text.count(f"data_api_ready {ready:.1f}")

        assert told(True) == 1
        server.stop()
        assert told(False) == 1
        server.start()
        assert told(True) == 1
    finally:
        server.close()


def test_whoever_watches_asks_the_database_nothing_and_a_busy_pool_is_ready(make_client):
    client = make_client(database_pool=1)
    service = client.app.state.service
    with service.engine.connect():
        service.check_database()
        begin = time.monotonic()
        assert [client.get("/readyz").status_code for _ in range(20)] == [200] * 20
        assert time.monotonic() - begin < 20 * POOL_SECONDS / 2


def test_a_look_that_is_long_ago_counts_for_nothing(client, monkeypatch):
    monkeypatch.setattr("data_api.app_state.STALE_SECONDS", -1)

    assert client.get("/metrics").text.count("data_api_ready 0.0") == 1


@own_database
def test_a_question_that_takes_too_long_is_given_up(make_client, postgresql_url, monkeypatch):
    client = make_client(database_url=postgresql_url, statement_seconds=0.05)
    key = {"x-api-key": "ontime_development_key_of_the_prediction_service"}

    def slow(session, _digest):
        session.execute(text("SELECT pg_sleep(5)"))

    monkeypatch.setattr("data_api.crud.api_keys.get_valid_with_user", slow)

    status, detail = refusal(client.get("/me", headers=key))

    assert status == 422
    assert "STATEMENT_SECONDS" in detail


@own_database
def test_a_write_that_waits_too_long_for_others_is_told_to_come_back(make_client, postgresql_url, as_service, prediction):
    client = make_client(database_url=postgresql_url, statement_seconds=0.3)
    content = {"json": {"predictions": [prediction()]}, "headers": as_service}
    with transaction(create_engine_for(postgresql_url)) as session:
        session.execute(text("LOCK TABLE predictions IN EXCLUSIVE MODE"))
        answer = client.post("/predictions", **content)

    assert refusal(answer)[0] == 503
    assert answer.headers["retry-after"] == "1"
    assert client.post("/predictions", **content).status_code == 201


@pytest.fixture
def loggers_as_before():
    """What the test does to loggers ends with it."""
    loggers = [logging.getLogger(name) for name in ("data_api", "service_kit", "uvicorn", *QUIET)]
    before = [(logger, logger.handlers, logger.propagate, logger.level) for logger in loggers]
    yield
    for logger, handlers, propagate, level in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.mark.usefixtures("loggers_as_before")
def test_logs_are_lines_of_json(make_settings, capsysbinary):
    configure("INFO", "data_api")
    with TestClient(create_app(make_settings(access_log=True))) as client:
        client.get("/nowhere", headers={"x-request-id": "mine-3"})

    lines = [json.loads(line) for line in capsysbinary.readouterr().err.splitlines()]
    assert "the database is ready" in {line["message"] for line in lines}
    assert all(list(line)[:3] == ["time", "level", "message"] for line in lines)
    (request,) = (line for line in lines if line["message"] == "request")
    assert (request["path"], request["status"], request["request_id"]) == ("/nowhere", 404, "mine-3")


def test_each_refusal_in_the_document_shows_an_example_of_its_own_status(client):
    problems = [
        (status, content["example"])
        for path in client.get("/openapi.json").json()["paths"].values()
        for operation in path.values()
        for status, response in operation["responses"].items()
        for content in response.get("content", {}).values()
        if content["schema"].get("$ref", "").endswith("/Problem")
    ]

    assert {status for status, _ in problems} >= {
        "400",
        "401",
        "403",
        "404",
        "408",
        "409",
        "413",
        "415",
        "422",
        "429",
        "503",
    }
    assert all((str(example["status"]), "errors" in example) == (status, status == "422") for status, example in problems)


def test_an_example_of_a_refusal_names_the_settings_and_parameters_of_its_own_route(client):
    paths = client.get("/openapi.json").json()["paths"]
    examples = {
        (path, status): content["example"]
        for path, operations in paths.items()
        for operation in operations.values()
        for status, response in operation["responses"].items()
        for content in response.get("content", {}).values()
        if status >= "400" and "example" in content
    }
    for (path, status), example in examples.items():
        if status in {"408", "413", "503"}:
            assert "(DATA_API_" in example["detail"], (path, status)
        if status == "422":
            names = [parameter["name"] for way in paths[path].values() for parameter in way.get("parameters", ())]
            assert example["errors"][0]["field"] in [*names, "limit"]
    answers = [
        client.get("/me", headers={"x-api-key": "nope"}),
        client.post("/token", data={"username": "a", "password": "b"}),
    ]
    assert [answer.json()["detail"] for answer in answers] == [examples[path, "401"]["detail"] for path in ("/me", "/token")]
    assert client.post("/token", json={}).json()["detail"] == examples["/token", "415"]["detail"]


def test_head_of_an_export_is_answered_without_reading_it(client, as_admin):
    for format_ in ("ndjson", "csv"):
        get, head = (
            client.request(method, f"/predictions?format={format_}", headers=as_admin) for method in ("GET", "HEAD")
        )
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == get.headers["content-type"]
