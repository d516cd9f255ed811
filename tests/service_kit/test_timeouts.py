"""No caller holds a connection for ever: requests that trickle, heads without end, answers that nobody reads."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from raw_http import PATIENCE_SECONDS, answered, memory_kilobytes, rest, trickle

REQUEST_SECONDS = 1.0
MOST_GROWTH_KILOBYTES = 30 * 1024
REQUEST = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"


@pytest.fixture(scope="module")
def port():
    """A port on which nobody listens yet."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def url(port):
    return f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module", autouse=True)
def server(port, url):
    """The process of a small service, which answers after all that was done to it."""
    command = [sys.executable, str(Path(__file__).with_name("tiny_service.py")), str(port), str(REQUEST_SECONDS)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": "src"})
    until = time.monotonic() + 30
    while True:
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/healthz").status_code == 200:
                break
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    yield process
    assert httpx.post(f"{url}/echo", content=b"{}").text == "{}"
    process.terminate()
    process.wait(30)


@pytest.fixture
def connect(port):
    """A function that opens a connection and sends text on it."""
    with ExitStack() as stack:

        def start(text=""):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS))
            connection.sendall(text.encode())
            return connection

        yield start


def test_a_body_that_trickles_is_refused_with_a_problem_that_names_the_setting(connect):
    connection = connect("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 90000\r\n\r\n")

    seconds, said = trickle(connection, " " * 1000)

    head, _, body = said.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 408 Request Timeout\r\ncontent-type: application/problem+json\r\n")
    assert json.loads(body)["detail"] == "The request should arrive whole within 1 seconds (REQUEST_SECONDS)."
    assert REQUEST_SECONDS - 0.2 <= seconds < PATIENCE_SECONDS


def test_callers_who_read_no_answer_hold_their_places_only_for_a_bounded_time(url, connect):
    for _ in range(8):
        connect("GET /echo HTTP/1.1\r\nhost: x\r\n\r\n" * 400)

    until = time.monotonic() + PATIENCE_SECONDS
    while httpx.get(f"{url}/echo").status_code != 200:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_call_for_a_websocket_is_answered_and_ends_no_protection(connect):
    for _ in range(3):
        connect(
            "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        time.sleep(0.6)

    assert rest(connect("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{")).startswith("HTTP/1.1 408 ")


@pytest.mark.parametrize("head", ["GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n", "GET /healthz HTTP/1.1\r\nx: {long}\r\n\r\n"])
def test_a_head_of_50_mb_is_refused_and_takes_no_memory(server, connect, head):
    before = memory_kilobytes(server.pid)
    first, _, last = head.partition("{long}")

    connection = connect(first)
    try:
        for _ in range(50):
            connection.sendall(b"x" * 2**20)
        connection.sendall(last.encode())
        said = rest(connection)
    except OSError:
        said = ""  # closed on the way

    assert not said or said.startswith(("HTTP/1.1 400 ", "HTTP/1.1 414 ", "HTTP/1.1 431 "))
    assert memory_kilobytes(server.pid) - before < MOST_GROWTH_KILOBYTES


def test_what_is_no_http_is_refused_and_the_connection_closed(connect):
    for text in (
        "hello\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01",
        "GET / HTTP/9.9\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
        "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nbroken header\r\n\r\n",
    ):
        assert rest(connect(text)).startswith("HTTP/1.1 400 "), text


def test_a_chunked_body_that_trickles_gets_408(connect):
    connection = connect("POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")

    _, said = trickle(connection, ["1\r\n \r\n"] * 1000)

    assert said.startswith("HTTP/1.1 408 ")


def test_headers_that_trickle_are_closed_within_a_bounded_time(connect):
    connection = connect("GET /healthz HTTP/1.1\r\n")

    seconds, said = trickle(connection, (f"x-{number}: 1\r\n" for number in range(1000)))

    assert said.startswith("HTTP/1.1 408 ")
    assert seconds < PATIENCE_SECONDS


def test_headers_that_trickle_after_an_answer_are_closed_too(connect):
    connection = connect(REQUEST)
    assert answered(connection).startswith("HTTP/1.1 200 ")

    _, said = trickle(connection, ["GET /healthz HTTP/1.1\r\n", *(f"x-{number}: 1\r\n" for number in range(1000))])

    assert said.startswith("HTTP/1.1 408 ")


def test_empty_lines_that_trickle_keep_no_connection_open(connect):
    seconds, _ = trickle(connect(), ["\r\n"] * 1000)

    assert seconds < PATIENCE_SECONDS


def test_empty_lines_that_trickle_after_an_answer_keep_no_connection_open(connect):
    connection = connect(REQUEST)
    assert answered(connection).startswith("HTTP/1.1 200 ")

    seconds, _ = trickle(connection, ["\r\n"] * 1000)

    assert seconds < PATIENCE_SECONDS


def test_a_connection_on_which_nothing_comes_is_closed(connect):
    start = time.monotonic()

    rest(connect())

    assert time.monotonic() - start < PATIENCE_SECONDS


def test_a_connection_that_waits_after_its_answer_is_closed(connect):
    connection = connect(REQUEST)
    assert answered(connection).startswith("HTTP/1.1 200 ")

    assert rest(connection) == ""


def test_a_caller_who_closes_one_direction_keeps_no_connection_open(connect):
    whole, half = connect(REQUEST), connect("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
    for connection in (whole, half):
        connection.shutdown(socket.SHUT_WR)

    assert re.match(r"HTTP/1\.1 200 |$", rest(whole))
    assert rest(half) == ""


def test_many_idle_connections_keep_nobody_from_an_answer_and_are_closed(url, connect):
    idle = [connect() for _ in range(300)]

    start = time.monotonic()
    assert httpx.post(f"{url}/echo", content=b"{}").status_code == 200
    assert time.monotonic() - start < 2

    for connection in idle:
        rest(connection)
