"""How the body of a request is read: within a limit of size, and ahead of its answer; `timeouts` limits the time for it."""

import math
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from typing import NamedTuple

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from service_kit.problems import CLOSE, ProblemError

UTF_16_MARKS = (BOM_UTF16_LE, BOM_UTF16_BE)
READ_AHEAD_BYTES = 2**16  # as much as uvicorn reads of a body that nobody asks for


class BodyLimit(NamedTuple):
    """How many bytes a body may hold, and what people call this limit: its setting, or what it is for."""

    most_bytes: int
    name: str


def limit_body(receive: Receive, limit: BodyLimit) -> Receive:
    """A ``receive`` that raises ProblemError (413) for a body over the limit.

    It reads past the rest first, without keeping it, so that the caller is still there to see the answer.
    """
    size = 0

    async def receive_within_limit() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size <= limit.most_bytes:
            return message
        while message.get("more_body", False):
            message = await receive()
            if message["type"] == "http.disconnect":
                return message
            size += len(message.get("body", b""))
        detail = f"The body should hold at most {limit.most_bytes:,} bytes ({limit.name}); it holds {size:,}."
        raise ProblemError(413, detail, headers=CLOSE)

    return receive_within_limit


async def read_ahead(receive: Receive, limit: BodyLimit) -> Receive:
    """A ``receive`` whose body has arrived already, or a part of it where it is large; without a byte order mark.

    Raises ClientDisconnect where the caller leaves before, and ProblemError for a body over its limit (413) or in UTF-16.
    """
    message = await receive()
    if message.get("more_body", False) or len(message.get("body", b"")) > limit.most_bytes:
        receive = limit_body(_with_first(message, receive), limit)
        message = await _read_on(receive, READ_AHEAD_BYTES)
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    body = message.get("body", b"")
    start = body[:2]
    if 0 in start or start in UTF_16_MARKS:
        raise ProblemError(400, "The body should be JSON in UTF-8; it looks like UTF-16. Encode it as UTF-8.", headers=CLOSE)
    if body.startswith(BOM_UTF8):
        message = {**message, "body": body.removeprefix(BOM_UTF8)}
    return _with_first(message, receive)


async def read_body(receive: Receive) -> bytes:
    """The whole body, in less time than Starlette's ``Request.body``. Raises ClientDisconnect where the caller leaves."""
    message = await receive()
    if message.get("more_body", False):
        message = await _read_on(_with_first(message, receive), math.inf)
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return bytes(message.get("body", b""))


async def _read_on(receive: Receive, enough_bytes: float) -> Message:
    """The first messages as one, up to so many bytes; or the one that the caller left."""
    parts: list[bytes] = []
    size, more_body = 0, True
    while more_body and size < enough_bytes:
        message = await receive()
        if message["type"] == "http.disconnect":
            return message
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more_body = message.get("more_body", False)
    return {"type": "http.request", "body": b"".join(parts), "more_body": more_body}


def _with_first(message: Message, receive: Receive) -> Receive:
    """A ``receive`` that gives this message first."""
    first = [message]

    async def receive_next() -> Message:
        return first.pop() if first else await receive()

    return receive_next
