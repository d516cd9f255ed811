"""A limit on the size of a request's body; `timeouts` limits the time that a request may take to arrive."""

from typing import NamedTuple

from starlette.types import Message, Receive

from service_kit.problems import CLOSE, ProblemError


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
