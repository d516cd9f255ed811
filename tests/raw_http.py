"""HTTP as bytes on a connection, for tests of callers that send slowly, too much, or nonsense."""

import re
import time
from pathlib import Path

import pytest

PATIENCE_SECONDS = 8.0  # far above the timeouts of the servers under test: the machine may be busy


def rest(connection):
    """All that still comes before the server closes; fails where it never does."""
    parts = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts).decode()


def answered(connection):
    """The head of the next answer, once it has arrived whole."""
    said = b""
    while b"\r\n\r\n" not in said or len(said.partition(b"\r\n\r\n")[2]) < int(
        re.search(rb"content-length: (\d+)", said)[1]
    ):
        said += connection.recv(65_536)
    return said.decode().partition("\r\n\r\n")[0]


def trickle(connection, texts, pause=0.1):
    """Sends one text after the other until the server closes; the seconds that it took, and what it said."""
    start = time.monotonic()
    connection.settimeout(pause)
    said = b""
    for text in texts:
        try:
            connection.sendall(text.encode())
            if not (part := connection.recv(65_536)):
                break
            said += part
        except TimeoutError:
            pass
        except OSError:
            break
        if time.monotonic() - start > PATIENCE_SECONDS:
            pytest.fail(f"the server has kept this connection for {PATIENCE_SECONDS:g} seconds")
    return time.monotonic() - start, said.decode()


def memory_kilobytes(pid):
    """The most memory that a process ever held."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])
