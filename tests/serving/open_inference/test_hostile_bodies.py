"""A server outlives hostile inference requests: each gets a refusal in the protocol's form."""

import json
import re
import socket
import struct
import time

import httpx
import numpy as np
import pytest

from raw_http import PATIENCE_SECONDS, memory_kilobytes, rest
from serving.conftest import RECORD
from serving.open_inference.inference import HEADER, binary, joined, tensors, texts

INFER, JSON, BINARY = "/v2/models/tiny/infer", "application/json", "application/octet-stream"
MOST_SECONDS, MOST_GROWTH_KILOBYTES = 10, 48 * 1024
GOOD, GOOD_HEADERS = binary(tensors([RECORD] * 3))
EIGHT_MEGABYTES = 8 * 2**20  # the default MAX_BODY_BYTES
VALUES = [
    *(None, True, False, -1, 0, 2, 300, 301, 2**31, 2**63, -(2**70), 1.5, float("inf"), float("nan"), "", "UA", "FP64"),
    *("BYTES", "INT8", "BOOL", "x" * 3000, "\ud800", "\0", [], {}, [[1.0]], [1, 1], [2**62, 4], [0] * 400, {"x": [{}]}),
]


def changed(**change):
    """A request in JSON with one tensor, of three delays, changed; its headers."""
    return json.dumps(tensors([RECORD] * 3, delay=change)).encode(), {"content-type": JSON}


def with_bytes(name, content, size=None, **change):
    """A request with one tensor in binary form, of so many bytes as it says; its headers."""
    parameters = {"binary_data_size": len(content) if size is None else size}
    return joined(tensors([RECORD] * 3, **{name: {"data": None, "parameters": parameters, **change}}), content)


def length(text):
    """A good request that says so much of its JSON; its headers."""
    return GOOD, {**GOOD_HEADERS, HEADER: text}


def in_json(content):
    """A body as JSON; its headers."""
    return content, {"content-type": JSON}


def bodies():
    """Hostile requests by name, each with its headers and the status that refuses it."""
    numbers, three = struct.pack("<3d", 1, 2, 3), texts(["UA"] * 3)
    rows = {tensor["name"]: {"shape": [10**9]} for tensor in tensors([RECORD])["inputs"]}
    twice = tensors([RECORD])
    twice["inputs"].append(twice["inputs"][0])
    return {
        "nothing": (in_json(b""), 400),
        "cut in its JSON": (in_json(GOOD[:200]), 400),
        "cut in its tensors": ((GOOD[:-20], GOOD_HEADERS), 400),
        "no length of the JSON": ((GOOD, {"content-type": BINARY}), 400),
        "a negative length": (length("-1"), 400),
        "a huge length": (length(str(2**63)), 400),
        "a length of 5,000 digits": (length("9" * 5000), 400),
        "a length of one byte": (length("1"), 400),
        "a billion rows": (in_json(json.dumps(tensors([RECORD], **rows)).encode()), 422),
        "a billion rows in one tensor": (changed(shape=[10**9]), 422),
        "a negative dimension": (changed(shape=[-3]), 400),
        "dimensions whose product overflows": (changed(shape=[2**62, 4]), 422),
        "a dimension of 400 digits": (changed(shape=[10**400]), 400),
        "a thousand dimensions": (changed(shape=[1] * 1000), 400),
        "texts called numbers": (changed(datatype="FP64", data=["1", "2", "3"]), 400),
        "numbers called texts": (with_bytes("carrier", numbers), 400),
        "texts called numbers, in bytes": (with_bytes("delay", three), 400),
        "numbers of half the size": (with_bytes("delay", numbers, datatype="FP32"), 400),
        "an unknown type": (changed(datatype="FP8"), 422),
        "a text longer than the buffer": (with_bytes("carrier", b"\xff\xff\xff\x7f" + three[4:]), 400),
        "a text less": (with_bytes("carrier", three[:12]), 400),
        "a size of 8 EB": (with_bytes("carrier", three, 2**63 - 1), 400),
        "a negative size": (with_bytes("carrier", three, -18), 400),
        "eight megabytes behind the tensors": ((GOOD + bytes(EIGHT_MEGABYTES), GOOD_HEADERS), 413),
        "seven megabytes behind the tensors": ((GOOD + bytes(7 * 2**20), GOOD_HEADERS), 400),
        "a text of seven megabytes": (with_bytes("carrier", texts(["x" * (7 * 2**20), "UA", "UA"])), 422),
        "deep JSON": (in_json(b'{"inputs":' * 9_000), 400),
        "deep JSON in a tensor": (in_json(b'{"inputs":[{"name":"delay","data":' + b"[" * 90_000), 400),
        "four million values": (in_json(b'{"inputs":[{"data":[' + b"0," * (EIGHT_MEGABYTES // 2 - 100)), 400),
        "an infinite number": (changed(data=[float("inf")] * 3), 422),
        "an infinite number, in bytes": (with_bytes("delay", struct.pack("<3d", 1, 2, float("-inf"))), 422),
        "NaN where a number is required": (in_json(json.dumps(tensors([{**RECORD, "distance": None}])).encode()), 422),
        "a tensor twice": (in_json(json.dumps(twice).encode()), 422),
        "gzip": ((GOOD, {**GOOD_HEADERS, "content-encoding": "gzip"}), 415),
        "a form": ((GOOD, {**GOOD_HEADERS, "content-type": "multipart/form-data"}), 415),
        "bytes that are nothing": ((b"\xff" * 500_000, GOOD_HEADERS), 400),
    }


def test_hostile_requests_are_refused_in_little_time_and_memory(make_server, record):
    server = make_server(MAX_BODY_BYTES=EIGHT_MEGABYTES, REQUEST_SECONDS=120)  # the machine may be busy
    with httpx.Client(base_url=server.url, timeout=PATIENCE_SECONDS) as client:
        assert client.post(INFER, content=GOOD, headers=GOOD_HEADERS).status_code == 200
        before = memory_kilobytes(server.process.pid)
        for name, ((body, headers), status) in bodies().items():
            start = time.monotonic()
            answer = client.post(INFER, content=body, headers=headers)

            assert (answer.status_code, answer.headers["content-type"]) == (status, JSON), name
            assert list(answer.json()) == ["error"], name
            assert 20 < len(answer.json()["error"]) < 2000, name
            assert time.monotonic() - start < MOST_SECONDS, name
        assert memory_kilobytes(server.process.pid) - before < MOST_GROWTH_KILOBYTES
        assert client.post(INFER, content=GOOD, headers=GOOD_HEADERS).status_code == 200
        assert not re.findall(r'status="5\d\d"', client.get("/metrics").text)
    assert "Traceback" not in server.log.read_text()


def test_a_request_that_does_not_arrive_whole_in_time_is_refused_in_the_form_of_the_protocol(make_server):
    server = make_server(REQUEST_SECONDS=1)
    head = "".join(f"{name}: {value}\r\n" for name, value in GOOD_HEADERS.items())
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    with socket.create_connection(address, timeout=2 * PATIENCE_SECONDS) as connection:
        connection.sendall(f"POST {INFER} HTTP/1.1\r\nhost: x\r\n{head}content-length: 9000\r\n\r\n".encode() + GOOD)
        head, _, content = rest(connection).partition("\r\n\r\n")

    assert (head.split()[1], list(json.loads(content))) == ("408", ["error"])
    assert "Traceback" not in server.log.read_text()


def places(value, path=()):
    """The path of each value in a JSON value, but of itself."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield (*path, key)
        yield from places(part, (*path, key))


def with_a_value_changed(generator, request):
    """A request with the value at one place replaced, removed, or there once more."""
    request = json.loads(json.dumps(request))
    paths = list(places(request))
    *path, key = paths[generator.integers(0, len(paths))]
    parent = request
    for step in path:
        parent = parent[step]
    kind = generator.integers(0, 6)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, list):
        parent.append(parent[key])
    else:
        parent[key] = VALUES[generator.integers(0, len(VALUES))]
    return request


def with_bytes_changed(generator, body):
    """A body with some of its bytes changed, with some removed, or with some there once more."""
    start, end = sorted(generator.integers(0, len(body), 2).tolist())
    kind = generator.integers(0, 4)
    if kind == 0:
        return body[:start] + body[end:]
    if kind == 1:
        return body[:end] + body[start:]
    damaged = bytearray(body)
    for place in generator.integers(0, len(body), 3):
        damaged[place] = generator.integers(0, 256)
    return bytes(damaged)


@pytest.mark.parametrize(
    "count", [150, pytest.param(10_000, marks=pytest.mark.long("10,000 inference requests with something changed"))]
)
def test_requests_with_something_changed_are_answered_whole_or_refused(client_of, count):
    generator, client = np.random.default_rng(18), client_of()
    request = tensors([RECORD] * 3) | {"outputs": [{"name": "probability"}], "parameters": {"binary_data_output": False}}
    statuses = set()
    for number in range(count):
        if number % 3 == 0:
            body, headers = with_bytes_changed(generator, GOOD), GOOD_HEADERS
        elif number % 3 == 1:
            body, headers = json.dumps(with_a_value_changed(generator, request)).encode(), {"content-type": JSON}
        else:
            head, contents = json.loads(GOOD[: int(GOOD_HEADERS[HEADER])]), GOOD[int(GOOD_HEADERS[HEADER]) :]
            body, headers = joined(with_a_value_changed(generator, head), contents)
        answer = client.post(INFER, content=body, headers=headers)

        statuses.add(answer.status_code)
        if answer.status_code == 200:
            content = json.loads(answer.content[: int(answer.headers.get(HEADER, len(answer.content)))])
            shapes = [output["shape"] for output in content["outputs"]]
            assert shapes in ([[3]] * len(shapes), [[1]] * len(shapes)), (number, body)
        else:
            assert (answer.status_code, list(answer.json())) in ((400, ["error"]), (422, ["error"])), (number, body)
    assert statuses == {200, 400, 422}
