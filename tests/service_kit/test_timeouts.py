"""No caller holds a connection or a service: requests that trickle, heads without end, answers that nobody reads.

The same tests run against both services and against a small one of the kit.
"""

import asyncio
import json
import re
import socket
import time
from contextlib import ExitStack

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from raw_http import PATIENCE_SECONDS, answered, memory_kilobytes, rest, trickle
from service_kit.timeouts import MOST_UNREAD, TimeoutProtocol
from service_processes import MOST_FILES, ROUTES, running

REQUEST_SECONDS = 1.0
MOST_GROWTH_KILOBYTES = 30 * 1024


@pytest.fixture(scope="module", params=ROUTES)
def server(request, tmp_path_factory):
    """Each service in turn, in a process of its own."""
    with running(request.param, tmp_path_factory.mktemp(request.param)) as server:
        yield server


@pytest.fixture
def connect(server):
    """A function that opens a connection and sends text on it."""
    with ExitStack() as stack:

        def start(text=""):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS))
            connection.sendall(text.encode())
            return connection

        yield start


def test_a_body_that_trickles_is_refused_with_a_problem_that_names_the_setting(server, connect):
    connection = connect(f"{server.head}content-length: 90000\r\n\r\n")

    seconds, said = trickle(connection, " " * 1000)

    head, _, body = said.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 408 Request Timeout\r\ncontent-type: application/problem+json\r\n")
    assert re.fullmatch(
        r"The request should arrive whole within 1 seconds \(\w*REQUEST_SECONDS\)\.", json.loads(body)["detail"]
    )
    assert REQUEST_SECONDS - 0.2 <= seconds < PATIENCE_SECONDS


def test_callers_who_read_no_answer_keep_nobody_from_one(server, connect):
    """A complete answer takes no place."""
    for _ in range(8):
        connect(f"GET {server.page} HTTP/1.1\r\nhost: x\r\n\r\n" * 50)
    time.sleep(0.4)  # until nothing more can be written to them

    for _ in range(5):
        assert httpx.get(server.url + server.page).status_code == 200


class Transport(asyncio.Transport):
    """As much of a transport as a protocol uses, which notes that it was aborted."""

    aborted = False

    def get_extra_info(self, name, default=None):
        return default

    def abort(self):
        self.aborted = True


def test_of_too_many_callers_who_read_nothing_the_first_has_to_go():
    """Each answer that is not read is kept in memory."""

    async def story():
        config, state, transports = uvicorn.Config(lambda: None, log_config=None), ServerState(), []
        config.load()
        for _ in range(MOST_UNREAD + 3):
            protocol = TimeoutProtocol(config, state, {})
            transports.append(Transport())
            protocol.connection_made(transports[-1])
            protocol.pause_writing()
        return [transport.aborted for transport in transports]

    assert asyncio.run(story()) == [True] * 3 + [False] * MOST_UNREAD


def test_callers_who_send_no_body_keep_nobody_from_an_answer(server, connect):
    for _ in range(40):
        connect(f"{server.head}content-length: {len(server.body)}\r\n\r\n{server.body[:-1]}")
    time.sleep(0.2)

    assert server.answers()


def test_connections_beyond_the_limit_of_files_end_those_that_were_silent_longest(server, connect):
    kept = connect(server.request)
    idle = []
    for number in range(MOST_FILES + 100):
        idle.append(connect())
        if number % 100 == 0:
            assert server.answers()

    assert server.answers()
    assert re.match("$|HTTP/1.1 408 ", rest(idle[0]))  # the latter where this machine took longer than REQUEST_SECONDS
    rest(kept)


UPGRADES = {
    "curl --http2": "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
    "websocket": "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "no protocol": "connection: upgrade\r\n",
    "no connection": "upgrade: h2c\r\n",
}


@pytest.mark.parametrize("upgrade", UPGRADES.values(), ids=UPGRADES)
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_an_upgrade_is_ignored_and_the_body_is_read(server, connect, upgrade, parts):
    head = f"{server.head}{upgrade}content-length: {len(server.body)}\r\n\r\n"
    connection = connect({1: head + server.body, 2: head, 3: head[:40]}[parts])
    if parts > 1:
        time.sleep(0.1)
        connection.sendall({2: server.body, 3: head[40:] + server.body}[parts].encode())
    answers = [answered(connection)]
    connection.sendall(server.request.encode())

    assert all(answer.startswith(f"HTTP/1.1 {server.status} ") for answer in (*answers, answered(connection)))


@pytest.mark.parametrize("upgrade", UPGRADES.values(), ids=UPGRADES)
def test_what_follows_an_upgrade_is_a_body_and_no_request(server, connect, upgrade):
    hidden = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    connection = connect(f"{server.head}{upgrade}content-length: {len(hidden)}\r\n\r\n{hidden}")

    said = rest(connection)

    assert said.count("HTTP/1.1 ") == 1
    assert "alive" not in said


def test_a_chunked_body_after_an_upgrade_is_read_and_so_is_the_next_request(server, connect):
    head = server.head + UPGRADES["curl --http2"] + "transfer-encoding: chunked\r\n\r\n"
    connection = connect(f"{head}{len(server.body):x}\r\n{server.body}\r\n0\r\n\r\n{server.request}")

    assert rest(connection).count(f"HTTP/1.1 {server.status} ") == 2


def test_connect_is_refused_and_closed(connect):
    assert rest(connect("CONNECT example.org:80 HTTP/1.1\r\nhost: x\r\n\r\nhello")).startswith("HTTP/1.1 405 ")


def test_head_is_get_without_content(server, connect):
    for path in ("/healthz", server.page, "/openapi.json", "/nowhere"):
        get, head = httpx.get(server.url + path), httpx.head(server.url + path)
        described = ("content-type", "content-length", "allow")
        assert [head.headers.get(name) for name in described] == [get.headers.get(name) for name in described]
        assert head.status_code == get.status_code
        assert head.content == b""
    assert httpx.head(server.url + server.path).status_code in (405, server.status)
    connection = connect(f"HEAD {server.page} HTTP/1.1\r\nhost: x\r\n\r\nGET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
    assert rest(connection).count("HTTP/1.1 200 ") == 2


def test_a_call_for_a_websocket_is_answered_and_ends_no_protection(server, connect):
    for _ in range(3):
        connect(
            "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        time.sleep(0.6)

    assert rest(connect(f"{server.head}content-length: 10\r\n\r\n{{")).startswith("HTTP/1.1 408 ")


@pytest.mark.parametrize("head", ["GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n", "GET /healthz HTTP/1.1\r\nx: {long}\r\n\r\n"])
def test_a_head_of_50_mb_is_refused_and_takes_no_memory(server, connect, head):
    before = memory_kilobytes(server.process.pid)
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
    assert memory_kilobytes(server.process.pid) - before < MOST_GROWTH_KILOBYTES


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


def test_http_1_1_needs_a_host_and_http_1_0_none(connect):
    said = rest(connect("GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n"))

    assert said.startswith("HTTP/1.1 400 ")
    assert "should have the header Host" in said
    assert rest(connect("GET /healthz HTTP/1.0\r\n\r\n")).startswith("HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("codings", "status"),
    [("gzip, chunked", 501), ("gzip\r\ntransfer-encoding: chunked", 501), ("gzip", 400), ("chunked, gzip", 400)],
)
def test_another_transfer_coding_than_chunked_is_refused_and_the_connection_closed(server, connect, codings, status):
    connection = connect(f"{server.head}transfer-encoding: {codings}\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n")

    assert rest(connection).startswith(f"HTTP/1.1 {status} ")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_body_in_utf_16_is_refused_by_that_name(server, encoding):
    answer = httpx.post(
        server.url + server.path, content="{}".encode(encoding), headers={"content-type": "application/json"}
    )

    assert answer.status_code == 400
    assert answer.json()["detail"] == "The body should be JSON in UTF-8; it looks like UTF-16. Encode it as UTF-8."


def test_a_chunked_body_that_trickles_gets_408(server, connect):
    connection = connect(f"{server.head}transfer-encoding: chunked\r\n\r\n")

    _, said = trickle(connection, ["1\r\n \r\n"] * 1000)

    assert said.startswith("HTTP/1.1 408 ")


def test_headers_that_trickle_are_closed_within_a_bounded_time(connect):
    connection = connect("GET /healthz HTTP/1.1\r\n")

    seconds, said = trickle(connection, (f"x-{number}: 1\r\n" for number in range(1000)))

    assert said.startswith("HTTP/1.1 408 ")
    assert seconds < PATIENCE_SECONDS


def test_headers_that_trickle_after_an_answer_are_closed_too(server, connect):
    connection = connect(server.request)
    assert answered(connection).startswith(f"HTTP/1.1 {server.status} ")

    _, said = trickle(connection, ["GET /healthz HTTP/1.1\r\n", *(f"x-{number}: 1\r\n" for number in range(1000))])

    assert said.startswith("HTTP/1.1 408 ")


def test_empty_lines_that_trickle_keep_no_connection_open(connect):
    seconds, _ = trickle(connect(), ["\r\n"] * 1000)

    assert seconds < PATIENCE_SECONDS


def test_empty_lines_that_trickle_after_an_answer_keep_no_connection_open(server, connect):
    connection = connect(server.request)
    assert answered(connection).startswith(f"HTTP/1.1 {server.status} ")

    seconds, _ = trickle(connection, ["\r\n"] * 1000)

    assert seconds < PATIENCE_SECONDS


def test_a_connection_on_which_nothing_comes_is_closed(connect):
    start = time.monotonic()

    rest(connect())

    assert time.monotonic() - start < PATIENCE_SECONDS


def test_a_connection_that_waits_after_its_answer_is_closed(server, connect):
    connection = connect(server.request)
    assert answered(connection).startswith(f"HTTP/1.1 {server.status} ")

    assert rest(connection) == ""


def test_a_caller_who_closes_one_direction_keeps_no_connection_open(server, connect):
    whole, half = connect(server.request), connect(f"{server.head}content-length: 9\r\n\r\n{{")
    for connection in (whole, half):
        connection.shutdown(socket.SHUT_WR)

    assert re.match(rf"HTTP/1\.1 {server.status} |$", rest(whole))
    assert rest(half) == ""


def test_many_idle_connections_keep_nobody_from_an_answer_and_are_closed(server, connect):
    idle = [connect() for _ in range(300)]

    start = time.monotonic()
    assert server.answers()
    assert time.monotonic() - start < 5

    for connection in idle:
        rest(connection)
