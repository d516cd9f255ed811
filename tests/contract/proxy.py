"""A network between two services that fails as told: it refuses, cuts off in the middle, swallows answers, or is silent."""

import selectors
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

WELL, REFUSING, CUTTING, SWALLOWING, SILENT = "well", "refusing", "cutting", "swallowing", "silent"
SOME_BYTES = 700  # of a request that are let through before it is cut off


class Proxy:
    """Carries bytes to a port of this machine; `fail` says how it fails from now on, `heal` that it carries them again."""

    def __init__(self, to_port: int) -> None:
        self._to, self._mode = ("127.0.0.1", to_port), WELL
        self._listening: socket.socket | None = None
        self._port, self._lock = 0, threading.Lock()
        self._open: set[socket.socket] = set()
        self.count = 0
        self._listen()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.fail(REFUSING)

    def fail(self, mode: str) -> None:
        """Fails in this way; connected clients are cut off, as when a cable is pulled."""
        self._mode = mode
        if mode == REFUSING and self._listening:
            self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
            self._listening = None
        self._cut_all()
        if mode != REFUSING and self._listening is None:
            self._listen()

    def heal(self) -> None:
        """Carries all again."""
        self.fail(WELL)

    def _listen(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", self._port), backlog=64)
        self._port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                self.count += 1
                threading.Thread(target=self._carry, args=(client, self._mode), daemon=True).start()

    def _carry(self, client: socket.socket, mode: str) -> None:
        with client, socket.socket() as server, suppress(OSError), selectors.DefaultSelector() as ready:
            with self._lock:
                self._open |= {client, server}
            try:
                server.connect(self._to)
                ready.register(client, selectors.EVENT_READ, server)
                ready.register(server, selectors.EVENT_READ, client)
                self._pump(ready, server, mode)
            finally:
                with self._lock:
                    self._open -= {client, server}

    def _pump(self, ready: selectors.BaseSelector, server: socket.socket, mode: str) -> None:
        carried = 0
        while True:
            for key, _ in ready.select(30):
                content = key.fileobj.recv(2**16)  # type: ignore[union-attr]
                if not content:
                    return
                answer = key.fileobj is server
                if mode == SILENT or (mode == SWALLOWING and answer):
                    if mode == SWALLOWING:
                        return
                    continue
                if mode == CUTTING and carried + len(content) > SOME_BYTES:
                    key.data.sendall(content[: max(0, SOME_BYTES - carried)])
                    return
                carried += len(content)
                key.data.sendall(content)

    def _cut_all(self) -> None:
        with self._lock:
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
