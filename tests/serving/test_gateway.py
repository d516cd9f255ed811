"""The gateway hands requests to replicas that come and go; skipped by name where there is no engine."""

import time
import uuid

import httpx
import pytest

from containers import docker, engine

GATEWAY = "ontime-gateway"
ANSWER = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200); self.end_headers()
        self.wfile.write(os.environ["NAME"].encode() + body)
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"""


pytestmark = [
    pytest.mark.long("containers: the gateway with replicas that come and go"),
    pytest.mark.skipif(not engine(), reason="no Docker engine answers: the gateway was neither built nor run"),
]


@pytest.fixture
def gateway():
    """A function from a port of the gateway to its address, and one that starts a replica of a service, on a port.

    A replica answers with its name and what it was sent.
    """
    docker("build", "--quiet", "--file", "serving/gateway/Dockerfile", "--tag", GATEWAY, ".")
    network = f"ontime-test-{uuid.uuid4().hex[:8]}"
    docker("network", "create", network)
    started = [f"{network}-gateway"]

    def replica(name, service="prediction-api", port=8000):
        started.append(f"{network}-{name}")
        docker(
            "run", "--detach", "--name", started[-1], "--network", network, "--network-alias", service, "--env",
            f"NAME={name}", "--env", f"PORT={port}", "python:3.12-slim", "python", "-c", ANSWER,
        )  # fmt: skip
        return started[-1]

    try:
        docker(
            "run", "--detach", "--name", started[0], "--network", network, "--read-only", "--tmpfs", "/tmp", "--cap-drop",
            "ALL", "--publish", "127.0.0.1::8000", "--publish", "127.0.0.1::8002", GATEWAY,
        )  # fmt: skip
        yield lambda port: f"http://{docker('port', started[0], f'{port}/tcp').splitlines()[0]}", replica
    finally:
        docker("rm", "--force", *started)
        docker("network", "rm", network)


def ask(address):
    return httpx.post(f"{address}/predict", content=b" was asked", timeout=20)


def until(true, seconds=30):
    end = time.monotonic() + seconds
    while True:
        try:
            if true():
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < end
        time.sleep(0.2)


def test_replicas_that_come_are_asked_those_that_die_are_not_and_without_any_it_is_said(gateway):
    published, replica = gateway
    address = published(8000)
    until(lambda: ask(address).status_code == 503)
    alone = ask(address)
    first = replica("first")
    until(lambda: ask(address).text == "first was asked")
    replica("second")
    until(lambda: {ask(address).text for _ in range(4)} == {"first was asked", "second was asked"})
    docker("kill", first)
    time.sleep(3)
    left = {ask(address).text for _ in range(8)}

    assert (alone.headers["content-type"], alone.headers["retry-after"]) == ("application/problem+json", "2")
    assert alone.json()["status"] == 503
    assert left == {"second was asked"}


def test_boards_are_asked_on_a_port_of_their_own(gateway):
    published, replica = gateway
    replica("prediction")
    replica("board", "board", 8002)

    until(lambda: ask(published(8002)).text == "board was asked")
    until(lambda: ask(published(8000)).text == "prediction was asked")
