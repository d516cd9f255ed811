"""Ports for the servers that tests start."""

import itertools
import os
import random
import re
import socket

FIRST, SHARE, SHARES = 20_000, 2_000, 5  # below the ports that the kernel gives to clients
# Each process of pytest has a share of its own, and gives every port of it before one comes again.
NUMBER = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0) % SHARES
START = random.SystemRandom().randrange(SHARE)
_PORTS = (FIRST + NUMBER * SHARE + (START + step) % SHARE for step in itertools.count())


def free_port() -> int:
    """A port on which nobody listens, and which no client and no other test takes, also while its server is down."""
    for port in itertools.islice(_PORTS, SHARE):
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError(f"a port from {FIRST} to {FIRST + SHARE * SHARES} should be free; none is.")
