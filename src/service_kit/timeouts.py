"""The protocol of connections: a request must arrive whole, and its answer be read, within a time.

Nobody holds all connections. A request to upgrade to another protocol is answered without the upgrade, as RFC 9110 allows.
"""

import asyncio
import resource
import sys
from collections.abc import Iterable
from functools import cache
from http import HTTPStatus
from operator import attrgetter
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service_kit.problems import MEDIA_TYPE, problem_json

CHECK_SECONDS = 0.5
MOST_HEAD_BYTES = 2**16
MOST_UNREAD = 64  # each keeps an answer in memory
SPARE_FILES = 64  # beside connections: databases, logs, segments


class TimeoutProtocol(HttpToolsProtocol):
    """Notes since when a request or a reader is awaited; one task checks all connections, so that none needs a timer."""

    active_at = 0.0  # when bytes came last
    waiting_since: float | None = None
    unread_since: float | None = None
    head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A caller connects and may now send; where there are too many, the one that was silent longest has to go."""
        super().connection_made(transport)
        self.waiting_since = self.active_at = self.loop.time()
        if len(self.connections) > most_connections():
            connections: Iterable[Any] = self.connections
            idle = [connection for connection in connections if connection.is_idle]
            min(idle, key=attrgetter("active_at")).abandon()

    @property
    def is_idle(self) -> bool:
        """Whether the next bytes have to come from the caller."""
        return self.waiting_since is not None or self.cycle is None or self.cycle.response_complete

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request; the parser will say whether they end it."""
        self.active_at = self.loop.time()
        if self.is_idle and self.waiting_since is None:
            self.waiting_since = self.active_at
        self.head_bytes += len(data)
        self._unset_keepalive_if_required()
        self._feed(data)
        if self.head_bytes > MOST_HEAD_BYTES:
            self.refuse(431, f"The head of a request should hold at most {MOST_HEAD_BYTES:,} bytes; this one holds more.")

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.refuse(400, "The request should be HTTP/1.1; it cannot be read.")

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Reads the request again without its wish for another protocol: the parser takes a body for that protocol."""
        headers = [(name, value) for name, value in self.headers if name != b"upgrade"]
        if len(headers) == len(self.headers):
            self.refuse(405, "CONNECT is for proxies; this service is none.")
            return
        request = b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        lines = [request, *(b"%b: %b" % header for header in headers)]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._feed(b"\r\n".join([*lines, b"", rest]))

    def on_headers_complete(self) -> None:
        """The last byte of a head."""
        if not self.parser.should_upgrade():
            super().on_headers_complete()

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
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self.waiting_since, self.head_bytes = None, 0

    def pause_writing(self) -> None:
        """The caller reads no more, and answers pile up; where there are too many such callers, the first has to go."""
        super().pause_writing()
        self.unread_since = self.loop.time()
        connections: Iterable[Any] = self.connections
        unread = [connection for connection in connections if connection.unread_since is not None]
        if len(unread) > MOST_UNREAD:
            min(unread, key=attrgetter("unread_since")).abandon()

    def resume_writing(self) -> None:
        """The caller reads again."""
        super().resume_writing()
        self.unread_since = None

    def abandon(self) -> None:
        """Closes at once and drops the requests that wait for an answer."""
        self.connections.discard(self)  # at once, so that nobody chooses it again
        self.pipeline.clear()
        self.transport.abort()

    def refuse(self, status: int, detail: str) -> None:
        """Answers with a problem where no answer has begun, and closes."""
        if self.transport.is_closing():
            return
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            media_type, content = self._in_form(problem_json(status, detail))
            kind, length = f"content-type: {media_type}", f"content-length: {len(content)}"
            head = (f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", kind, length, "connection: close")
            self.transport.write("\r\n".join([*head, "", ""]).encode() + content)
        self.transport.close()

    def _in_form(self, problem: bytes) -> tuple[str, bytes]:
        """A problem in the form that the application has for this path (``state.refusal_form``), where the path is known."""
        form = getattr(getattr(self.config.app, "state", None), "refusal_form", None)
        return form(self.scope, problem) if form and "path" in (self.scope or {}) else (MEDIA_TYPE, problem)


@cache
def most_connections() -> int:
    """As many connections as the limit of open files leaves room for."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(SPARE_FILES, limit - SPARE_FILES) if limit != resource.RLIM_INFINITY else sys.maxsize


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
