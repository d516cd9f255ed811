"""The REST client of a registry shows who asks, tries again where nobody answered, and complains in one sentence."""

import base64
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from prediction_api.model import mlflow_rest
from prediction_api.model.mlflow_rest import NOT_FOUND, RegistryError, RestClient

RUN = {"run": {"data": {"metrics": [{"key": "brier", "value": 0.125}, {"key": "odd", "value": "NaN"}, {"key": "none"}]}}}
DROP = None  # the server closes the connection without an answer


@pytest.fixture
def registry(monkeypatch):
    """A registry that gives the answers that a test puts there in turn, and the requests that it got."""
    requests, answers = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self)
            if (answer := answers.pop(0)) is DROP:
                return
            status, content = answer
            self.send_response(status)
            if status == 302:
                self.send_header("Location", content.decode())
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    monkeypatch.setattr(mlflow_rest, "PAUSE_SECONDS", 0.01)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
    yield requests, answers
    server.shutdown()
    server.server_close()


def client():
    return RestClient(mlflow_rest.server_address())


def complaint(question):
    with pytest.raises(RegistryError) as raised:
        question()
    return raised.value


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, None),
        ({"USERNAME": "me", "PASSWORD": "p:w"}, f"Basic {base64.b64encode(b'me:p:w').decode()}"),
        ({"TOKEN": "abc"}, "Bearer abc"),
        ({"USERNAME": "me", "PASSWORD": "pw", "TOKEN": "abc"}, f"Basic {base64.b64encode(b'me:pw').decode()}"),
    ],
)
def test_the_credentials_of_mlflows_settings_are_sent(registry, monkeypatch, settings, expected):
    requests, answers = registry
    answers.append((200, json.dumps(RUN).encode()))
    for name, value in settings.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)

    client().get_run("1")

    assert requests[0].headers["Authorization"] == expected


def test_numbers_that_are_none_arrive_as_what_they_are(registry):
    registry[1].append((200, json.dumps(RUN | {"more": 1}).encode()))

    metrics = client().get_run("1").data.metrics

    assert metrics["brier"] == 0.125
    assert str(metrics["odd"]) == "nan"
    assert metrics["none"] == 0


def test_a_registry_that_asks_who_it_is_names_the_settings(registry):
    registry[1].append((401, b"You are not authenticated."))

    error = complaint(lambda: client().get_run("1"))

    assert (
        "should hand over the model; /api/2.0/mlflow/runs/get was answered with 401 Unauthorized; set MLFLOW_TRACKING_"
        in str(error)
    )
    assert error.error_code == ""


def test_an_error_of_mlflow_keeps_its_code_and_its_words(registry):
    registry[1].append((404, json.dumps({"error_code": NOT_FOUND, "message": "Run 1 not found"}).encode()))

    error = complaint(lambda: client().get_run("1"))

    assert error.error_code == NOT_FOUND
    assert str(error).endswith("answered with 404 Run 1 not found")


def test_a_dropped_connection_is_tried_again_as_often_as_the_setting_says(registry, monkeypatch):
    requests, answers = registry
    answers += [DROP, (200, json.dumps(RUN).encode())]
    client().get_run("1")

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    answers.append(DROP)
    complaint(lambda: client().get_run("1"))

    assert len(requests) == 3


def test_a_file_that_a_version_lacks_is_left_out_and_any_other_error_is_raised(registry, tmp_path):
    missing = (404, json.dumps({"error_code": NOT_FOUND, "message": "No such artifact"}).encode())
    registry[1].extend([missing, (200, b"{}"), (200, b"graph"), missing, (500, b"the store is away")])

    client().download_version("tiny", "1", tmp_path)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"about.json": b"{}", "model.onnx": b"graph"}
    assert "was answered with 500" in str(complaint(lambda: client().download_version("tiny", "1", tmp_path)))


def test_an_old_model_is_handed_over_where_the_server_fails_for_a_missing_file(registry, tmp_path):
    failed = (500, json.dumps({"error_code": "INTERNAL_ERROR", "message": "NoSuchKey"}).encode())
    registry[1].extend([failed, (200, b"{}"), (200, b"graph"), (200, b"schema"), failed, failed])

    client().download_version("tiny", "1", tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {"about.json", "model.onnx", "schema.json"}
    assert "NoSuchKey" in str(complaint(lambda: client().download_version("tiny", "1", tmp_path)))


def test_credentials_do_not_follow_to_another_host(registry, monkeypatch):
    requests, answers = registry
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "abc")
    elsewhere = mlflow_rest.server_address().replace("127.0.0.1", "localhost")
    answers.extend([(302, elsewhere.encode()), (200, json.dumps(RUN).encode())])

    client().get_run("1")

    assert [request.headers["Authorization"] for request in requests] == ["Bearer abc", None]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "ten", "MLFLOW_HTTP_REQUEST_TIMEOUT should be a number"),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "no", "MLFLOW_HTTP_REQUEST_MAX_RETRIES should be a number"),
        ("MLFLOW_TRACKING_SERVER_CERT_PATH", "/nowhere.pem", "MLFLOW_TRACKING_SERVER_CERT_PATH"),
        ("MLFLOW_TRACKING_URI", "http://me:se/cret@127.0.0.1:9", "with %2F for a /"),
    ],
)
def test_a_setting_at_fault_is_named_without_a_part_of_a_password(monkeypatch, name, value, expected):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv(name, value)

    error = str(complaint(client))

    assert expected in error
    assert "se/" not in error
    assert "'se'" not in error


def test_a_version_without_its_number_is_no_version(registry):
    registry[1].append((200, b'{"model_version": {"tags": [{}]}}'))

    assert "was answered with no model_version" in str(complaint(lambda: client().get_model_version("tiny", "1")))


def test_a_server_that_is_too_slow_names_the_setting(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "0.05")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    silent = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")

    with silent:
        error = str(complaint(lambda: client().get_run("1")))

    assert "within 0.05 s (MLFLOW_HTTP_REQUEST_TIMEOUT)" in error


def test_a_complaint_shows_no_password(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    error = str(complaint(lambda: client().get_run("1")))

    assert "http://127.0.0.1:9 (MLFLOW_TRACKING_URI)" in error
    assert "secret" not in error


@pytest.mark.parametrize(
    ("settings", "plain"),
    [
        ({"MLFLOW_TRACKING_URI": "https://mlflow"}, True),
        ({"MLFLOW_TRACKING_URI": "https://mlflow", "MLFLOW_REGISTRY_URI": "https://mlflow"}, True),
        ({"MLFLOW_TRACKING_URI": "https://mlflow", "MLFLOW_REGISTRY_URI": "https://registry"}, False),
        ({"MLFLOW_TRACKING_URI": "https://mlflow", "MLFLOW_TRACKING_AWS_SIGV4": "true"}, False),
        ({"MLFLOW_TRACKING_URI": "databricks"}, False),
        ({}, False),
    ],
)
def test_only_a_plain_server_is_asked_without_mlflow(monkeypatch, settings, plain):
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    assert mlflow_rest.server_address() == (settings["MLFLOW_TRACKING_URI"] if plain else None)
