"""Reads the body of a request within a limit of size; the time it may take is the connection's (`connections`)."""

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from prediction_api.problems import ProblemError

CLOSE = {"connection": "close"}


async def read(receive: Receive, most_bytes: int, limit: str = "MAX_BODY_BYTES") -> bytes:
    """The whole body; ``limit`` is what people call the one on its size.

    Raises Refusal (413) where it is larger, after reading past the rest, so that the caller is there to see the answer; and
    ClientDisconnect where the caller leaves.
    """
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        if size <= most_bytes:
            parts.append(part)
        else:
            parts.clear()
    if size > most_bytes:
        detail = f"The body should hold at most {most_bytes:,} bytes ({limit}); it holds {size:,}."
        raise ProblemError(413, detail, headers=CLOSE)
    return parts[0] if len(parts) == 1 else b"".join(parts)
