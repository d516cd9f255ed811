"""Connections that do not wait for ever: a request must have arrived whole within a time, or is refused."""

import asyncio
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from prediction_api.problems import MEDIA_TYPE, body

LOOK_SECONDS = 0.5


class PatientProtocol(HttpToolsProtocol):
    """Notes since when the rest of a request is awaited; one task looks at all connections, so that none needs a timer."""

    waiting_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A caller connects and may now send."""
        super().connection_made(transport)
        self.waiting_since = self.loop.time()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self.waiting_since = self.loop.time()

    def on_message_complete(self) -> None:
        """The last byte of a request."""
        super().on_message_complete()
        self.waiting_since = None

    def refuse(self, seconds: float) -> None:
        """Says 408 where nothing else was said yet, and closes."""
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            content = body(408, f"The request should arrive whole within {seconds:g} seconds (REQUEST_SECONDS); it did not.")
            head = (
                "HTTP/1.1 408 Request Timeout",
                f"content-type: {MEDIA_TYPE}",
                f"content-length: {len(content)}",
                "connection: close",
            )
            self.transport.write("\r\n".join([*head, "", ""]).encode() + content)
        self.transport.close()


async def refuse_slow(connections: Iterable[Any], seconds: float) -> None:
    """Looks at all connections, for ever, and refuses those whose request takes longer than ``seconds`` to arrive."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(min(LOOK_SECONDS, seconds))
        latest = loop.time() - seconds
        for connection in list(connections):
            if connection.waiting_since is not None and connection.waiting_since < latest:
                connection.waiting_since = None
                connection.refuse(seconds)
