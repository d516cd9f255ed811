"""Timeouts of connections: a request must arrive whole, and its answer be read, within a time."""

import asyncio
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service_kit.problems import MEDIA_TYPE, problem_json

CHECK_SECONDS = 0.5
MOST_HEAD_BYTES = 2**16


class TimeoutProtocol(HttpToolsProtocol):
    """Notes since when a request or a reader is awaited; one task checks all connections, so that none needs a timer."""

    waiting_since: float | None = None
    unread_since: float | None = None
    head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A caller connects and may now send."""
        super().connection_made(transport)
        self.waiting_since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request; the parser will say whether they end it."""
        if self.waiting_since is None and (self.cycle is None or self.cycle.response_complete):
            self.waiting_since = self.loop.time()
        self.head_bytes += len(data)
        super().data_received(data)
        if self.head_bytes > MOST_HEAD_BYTES:
            self.refuse(431, f"The head of a request should hold at most {MOST_HEAD_BYTES:,} bytes; this one holds more.")

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self.waiting_since = self.loop.time()

    def on_body(self, body: bytes) -> None:
        """Bytes of a body, which `body_limit` limits."""
        self.head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The last byte of a request."""
        super().on_message_complete()
        self.waiting_since, self.head_bytes = None, 0

    def pause_writing(self) -> None:
        """The caller reads no more, and answers pile up."""
        super().pause_writing()
        self.unread_since = self.loop.time()

    def resume_writing(self) -> None:
        """The caller reads again."""
        super().resume_writing()
        self.unread_since = None

    def abandon(self) -> None:
        """Closes at once and drops the requests that wait for an answer."""
        self.pipeline.clear()
        self.transport.abort()

    def refuse(self, status: int, detail: str) -> None:
        """Answers with a problem where no answer has begun, and closes."""
        if self.transport.is_closing():
            return
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            content = problem_json(status, detail)
            kind, length = f"content-type: {MEDIA_TYPE}", f"content-length: {len(content)}"
            head = (f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", kind, length, "connection: close")
            self.transport.write("\r\n".join([*head, "", ""]).encode() + content)
        self.transport.close()


async def refuse_slow(connections: Iterable[Any], seconds: float, setting: str) -> None:
    """Closes, for ever, connections whose request takes longer than ``seconds`` to arrive, or whose answer is not read.

    ``setting`` is the variable that holds the seconds.
    """
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(min(CHECK_SECONDS, seconds))
        latest = loop.time() - seconds
        for connection in list(connections):
            if connection.unread_since is not None and connection.unread_since < latest:
                connection.abandon()
            elif connection.waiting_since is not None and connection.waiting_since < latest:
                connection.waiting_since = None
                connection.refuse(408, f"The request should arrive whole within {seconds:g} seconds ({setting}).")
