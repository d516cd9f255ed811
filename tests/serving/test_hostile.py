"""A server outlives callers who mean no good, or know no better: each gets a clear refusal, and the next an answer."""

import gzip
import http.client
import json
import re
import socket
import struct
import time
from contextlib import ExitStack
from datetime import datetime

import httpx
import pyarrow as pa
import pytest

from prediction_api.arrow.ipc_messages import CONTINUATION
from raw_http import PATIENCE_SECONDS, memory_kilobytes, rest, trickle
from service_kit.body_limit import READ_AHEAD_BYTES
from serving.arrow.streams import ARROW, SCHEMA, stream

PROBLEM = "application/problem+json"
REQUEST_SECONDS = 1.0
MOST_SECONDS_OF_OTHERS = 0.5
POOL_SECONDS = 5.0  # for which httpx keeps a connection that rests
MOST_GROWTH_KILOBYTES = 30 * 1024
CHUNK = b" " * 2**20


@pytest.fixture
def server(make_server, record):
    """A server with small limits, of which each test leaves an answering one behind, and no failure in its log."""
    server = make_server(REQUEST_SECONDS=REQUEST_SECONDS, KEEP_ALIVE_SECONDS=1, MAX_BODY_BYTES=100_000, MAX_CONCURRENCY=8)
    yield server
    answer = httpx.post(f"{server.url}/predict", json=record, timeout=PATIENCE_SECONDS)
    assert (answer.status_code, set(answer.json()) >= {"prediction_id", "probability"}) == (200, True)
    found = httpx.get(f"{server.url}/metrics").text
    assert not re.findall(r'status="5(?!03)\d\d"', found)
    assert "Traceback" not in server.log.read_text()


@pytest.fixture
def post(server):
    """A function from a body to the answer, of /predict where nothing else is said."""

    def send(body, path="/predict", **headers):
        return httpx.post(
            server.url + path,
            content=body,
            headers={"content-type": "application/json", **headers},
            timeout=PATIENCE_SECONDS,
        )

    return send


@pytest.fixture
def connect(server):
    """A function that opens a connection and sends text on it."""
    with ExitStack() as stack:

        def start(text=""):
            port = int(server.url.rpartition(":")[2])
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS))
            connection.sendall(text.encode())
            return connection

        yield start


def request(record, request_id="mine"):
    """One whole request to predict, as bytes on the wire."""
    body = json.dumps(record)
    return f"POST /predict HTTP/1.1\r\nhost: x\r\nx-request-id: {request_id}\r\ncontent-length: {len(body)}\r\n\r\n{body}"


def requests_by_status(server, route):
    """How many requests of a route ended with which status."""
    found = httpx.get(f"{server.url}/metrics").text
    pattern = rf'prediction_api_request_seconds_count{{route="{route}",status="(\d+)"}} (\S+)'
    return {status: float(count) for status, count in re.findall(pattern, found)}


# Bodies


def test_a_number_that_is_none_is_refused_by_its_field(post, record):
    for number in ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e39", "9" * 400, "9" * 4300):
        answer = post(json.dumps(record | {"delay": 0}).replace('"delay": 0', f'"delay": {number}'))

        assert (answer.status_code, answer.headers["content-type"]) == (422, PROBLEM), number
        (error,) = answer.json()["errors"]
        assert (error["field"], error["wanted"]) == ("delay", "a number of minutes, or null")
        assert len(error["got"]) < 100


def test_a_number_of_more_digits_than_python_reads_is_refused(post, record):
    for field in ("delay", "carrier", "departs"):
        text = json.dumps(record | {field: "HERE"}).replace('"HERE"', "9" * 50_000)

        assert post(text).status_code == 400, field


def test_deep_json_is_refused(post):
    for body in ("[" * 90_000, '{"carrier":' * 8_000, '{"carrier":' + "[" * 500 + "]" * 500 + "}"):
        for path in ("/predict", "/predict/batch"):
            answer = post(body, path)

            assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM)
            assert "recursion limit" in answer.json()["detail"]


def test_a_body_in_another_encoding_is_refused(post, record):
    for encoding in ("utf-16", "utf-16-le", "utf-32", "latin-1"):
        answer = post(json.dumps(record | {"carrier": "Zürich"}, ensure_ascii=False).encode(encoding))

        assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM), encoding
        assert answer.json()["detail"].startswith("The body should be JSON in UTF-8; ")


def test_a_gzip_body_is_refused_whether_it_is_said_or_not(post, record):
    body = gzip.compress(json.dumps(record).encode())

    assert post(body, **{"content-encoding": "gzip"}).status_code == 415
    assert post(body).status_code == 400


def test_bytes_that_are_nothing_are_refused(post):
    for body in (b"\0" * 1000, bytes(range(256)) * 100, b"\xff\xfe\xfd"):
        assert post(body).status_code == 400
        assert post(body, "/predict/batch", **{"content-type": "application/x-ndjson"}).status_code == 400


def test_a_body_of_empty_lines_is_refused(post):
    answer = post("\n" * 90_000, "/predict/batch", **{"content-type": "application/x-ndjson"})

    assert (answer.status_code, answer.json()["errors"][0]["got"]) == (422, "90,000 line breaks")


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
@pytest.mark.parametrize("told", [True, False])
def test_a_body_of_100_mb_gets_413_as_an_answer_and_no_memory(server, connect, path, told):
    before = memory_kilobytes(server.process.pid)
    length = "content-length: 104857600" if told else "transfer-encoding: chunked"

    connection = connect(f"POST {path} HTTP/1.1\r\nhost: x\r\n{length}\r\n\r\n")
    for _ in range(100):
        connection.sendall(CHUNK if told else b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK))
    connection.sendall(b"" if told else b"0\r\n\r\n")
    head, _, body = rest(connection).partition("\r\n\r\n")

    assert head.startswith("HTTP/1.1 413 ")
    assert f"content-type: {PROBLEM}" in head.lower()
    assert "104,857,600" in json.loads(body)["detail"]
    assert memory_kilobytes(server.process.pid) - before < MOST_GROWTH_KILOBYTES


def test_a_body_of_100_mb_to_a_route_that_reads_none_takes_no_memory(server, connect):
    before = memory_kilobytes(server.process.pid)

    for path in ("/reload", "/nothing", "/healthz"):
        connection = connect(f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 104857600\r\nconnection: close\r\n\r\n")
        try:
            for _ in range(100):
                connection.sendall(CHUNK)
        except OSError:
            pass  # it may close before

    assert memory_kilobytes(server.process.pid) - before < MOST_GROWTH_KILOBYTES


@pytest.mark.parametrize(
    ("path", "kind", "frame"),
    [
        ("/predict", "json", "{%s}"),
        ("/predict/batch", "json", '{"records":[{%s}]}'),
        ("/predict/batch", "json", "{%s}"),
        ("/predict/batch", "x-ndjson", "{%s}"),
    ],
)
def test_many_unknown_fields_do_not_keep_the_others_waiting(make_server, path, kind, frame):
    server = make_server()
    before = memory_kilobytes(server.process.pid)
    port = int(server.url.rpartition(":")[2])
    body = frame % ",".join(f'"k{number}":0' for number in range(700_000))  # just under the default MAX_BODY_BYTES
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/{kind}\r\ncontent-length: {len(body)}\r\n\r\n"

    def seconds_of_others():
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall((head + body).encode())
            start = time.monotonic()
            httpx.get(f"{server.url}/healthz", timeout=60)
            return time.monotonic() - start

    assert is_short(seconds_of_others)
    assert memory_kilobytes(server.process.pid) - before < 100 * 1024  # a body of 8 MB, and what was made of it


# Arrow streams


def is_short(seconds):
    """Whether one of three waits is: each may also be for a processor of a busy machine."""
    return any(seconds() < MOST_SECONDS_OF_OTHERS for _ in range(3))


def arrow_bodies(record):
    """Hostile streams by name, each with the status that refuses it."""
    moment = datetime.fromisoformat(record["departs"])
    table = pa.Table.from_pylist([{**record, "departs": moment}] * 200, SCHEMA)
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 200, pa.int32()), pa.array(["x" * 1_000_000]))
    bomb = pa.DictionaryArray.from_arrays(pa.array([0] * 200, pa.int32()), pa.array(["x" * 100_000_000]))
    body, nested = stream(table), pa.array([[[["UA"]]]] * 200)
    schema, batch, end = (CONTINUATION + part for part in body.split(CONTINUATION)[1:])
    length = struct.pack("<q", len(batch) - 8 - int.from_bytes(batch[4:8], "little"))
    assert batch.count(length) == 1
    return {
        "truncated": (body[:-100], 400),
        "a metadata length of 2 GB": (body[:4] + b"\xff\xff\xff\x7f" + body[8:], 400),
        "a billion rows": (body.replace(struct.pack("<q", 200), struct.pack("<q", 10**9)), 422),
        "a body length of 4 EB": (schema + batch.replace(length, struct.pack("<q", 2**62)) + end, 400),
        "10,000 columns": (stream(pa.table({f"c{number}": [1.0] for number in range(10_000)})), 400),
        "nested types": (stream(table.set_column(1, "carrier", nested)), 422),
        "a dictionary bomb": (stream(table.set_column(1, "carrier", texts)), 422),
        "a compressed bomb": (stream(table.set_column(1, "carrier", bomb), compression="zstd"), 415),
        "a thousand batches": (stream(pa.concat_tables([table.slice(0, 1)] * 1001)), 422),
        "no stream at all": (b"\xff" * 500_000, 400),
        "zeros": (bytes(500_000), 400),
    }


def test_hostile_arrow_streams_are_refused_in_little_time_and_memory(make_server, record):
    server = make_server()
    bodies = arrow_bodies(record)
    httpx.post(f"{server.url}/predict", json=record, timeout=PATIENCE_SECONDS)
    before = memory_kilobytes(server.process.pid)
    for name, (body, status) in bodies.items():
        start = time.monotonic()
        answer = httpx.post(
            f"{server.url}/predict/batch", content=body, headers={"content-type": ARROW}, timeout=PATIENCE_SECONDS
        )

        assert answer.status_code == status, name
        assert answer.headers["content-type"] == PROBLEM, name
        assert time.monotonic() - start < 10, name
    assert memory_kilobytes(server.process.pid) - before < 2 * MOST_GROWTH_KILOBYTES
    assert httpx.post(f"{server.url}/predict", json=record, timeout=PATIENCE_SECONDS).status_code == 200
    assert not re.findall(r'status="5\d\d"', httpx.get(f"{server.url}/metrics").text)
    assert "Traceback" not in server.log.read_text()


def test_streams_that_are_long_to_read_do_not_keep_the_others_waiting(make_server, record):
    server = make_server()
    table = pa.Table.from_pylist([{**record, "departs": datetime.fromisoformat(record["departs"])}], SCHEMA)
    schema, batch, end = (CONTINUATION + part for part in stream(table).split(CONTINUATION)[1:])
    body = schema + batch * 1000 + end
    head = f"POST /predict/batch HTTP/1.1\r\nhost: x\r\ncontent-type: {ARROW}\r\ncontent-length: {len(body)}\r\n\r\n"
    with ExitStack() as stack:
        client = stack.enter_context(httpx.Client(base_url=server.url, timeout=60))
        client.get("/healthz")
        port = int(server.url.rpartition(":")[2])

        def seconds_of_others():
            for _ in range(4):
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60)).sendall(head.encode() + body)
            start = time.monotonic()
            client.get("/healthz")
            return time.monotonic() - start

        assert is_short(seconds_of_others)
        answer = client.post("/predict/batch", content=body, headers={"content-type": ARROW})

    assert answer.status_code == 200


# Slow callers


def test_a_body_that_trickles_gets_408_within_a_bounded_time(connect):
    connection = connect("POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 90000\r\n\r\n")

    seconds, said = trickle(connection, " " * 1000)

    assert said.startswith("HTTP/1.1 408 ")
    assert f"content-type: {PROBLEM}" in said
    assert "(REQUEST_SECONDS)" in json.loads(said.partition("\r\n\r\n")[2])["detail"]
    assert REQUEST_SECONDS - 0.2 <= seconds < PATIENCE_SECONDS


def test_a_connection_that_rested_for_longer_than_most_clients_keep_theirs_is_answered(make_server, record):
    connection = http.client.HTTPConnection(make_server().url.removeprefix("http://"), timeout=PATIENCE_SECONDS)
    for pause in (POOL_SECONDS + 1, 0):
        connection.request("POST", "/predict", json.dumps(record))
        answer = connection.getresponse()
        assert (answer.status, "prediction_id" in json.load(answer)) == (200, True)
        time.sleep(pause)


def test_callers_who_send_much_and_then_slowly_hold_their_places_only_for_a_bounded_time(server, connect, post, record):
    head = "POST /predict/batch HTTP/1.1\r\nhost: x\r\ncontent-length: 90000\r\n\r\n"
    slow = [connect(head + " " * READ_AHEAD_BYTES) for _ in range(8)]
    time.sleep(0.3)

    refused = post(json.dumps(record))
    alive = [httpx.get(f"{server.url}/{path}").status_code for path in ("healthz", "readyz", "metrics")]

    assert (refused.status_code, refused.headers["content-type"], refused.headers["retry-after"]) == (503, PROBLEM, "1")
    assert alive == [200] * 3
    assert all(rest(connection).startswith("HTTP/1.1 408 ") for connection in slow)
    assert post(json.dumps(record)).status_code == 200


# Connections


def test_pipelined_requests_are_answered_in_their_order(connect, record):
    connection = connect(
        "".join(request(record | {"distance": 1} if number == 2 else record, f"n{number}") for number in range(5))
    )
    connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-request-id: last\r\nconnection: close\r\n\r\n")

    said = rest(connection)

    assert re.findall(r"HTTP/1\.1 (\d+)", said) == ["200", "200", "422", "200", "200", "200"]
    assert re.findall(r"x-request-id: (\w+)", said) == ["n0", "n1", "n2", "n3", "n4", "last"]


def test_a_caller_who_leaves_in_the_middle_of_a_body_is_no_failure_of_the_service(server, connect):
    for _ in range(5):
        connection = connect("POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
        time.sleep(0.05)
        connection.close()
    time.sleep(0.3)

    assert set(requests_by_status(server, "/predict")) == {"499"}


def test_what_was_refused_is_not_kept(server, post, record, tmp_path):
    for body in ("[" * 90_000, json.dumps(record).encode("utf-16"), " " * 100_001):
        assert post(body).status_code >= 400

    assert b"".join(path.read_bytes() for path in (tmp_path / "outbox").glob("*.log")) == b""
