"""Where a service listens."""

import socket

import pytest

from service_kit import server
from service_kit.errors import SettingsInvalid
from service_kit.settings import ServiceSettings

FIELDS = server.ServerFields("echo_host", "echo_port", "request_seconds")


class Settings(ServiceSettings):
    echo_host: str
    echo_port: int = 0
    request_seconds: float = 1


def reachable(host, port):
    try:
        socket.create_connection((host, port), 2).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "answers"),
    [
        ("127.0.0.1", [True, False]),
        ("0.0.0.0", [True, False]),
        ("::1", [False, True]),
        ("::", [True, True]),
        ("::0", [True, True]),
        ("0:0:0:0:0:0:0:0", [True, True]),
    ],
)
def test_a_service_listens_on_what_its_host_says_and_on_both_for_two_colons(host, answers):
    sockets = server._listen(Settings(echo_host=host), FIELDS)
    port = sockets[0].getsockname()[1]
    try:
        assert [reachable(address, port) for address in ("127.0.0.1", "::1")] == answers
    finally:
        for listening in sockets:
            listening.close()


def test_a_port_that_ipv4_alone_has_taken_is_a_sentence():
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsInvalid, match=rf"listen on ::, port {port} \(ECHO_HOST, ECHO_PORT\)"):
            server._listen(Settings(echo_host="::", echo_port=port), FIELDS)
