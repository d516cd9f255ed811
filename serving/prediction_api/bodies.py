"""Reads the body of a request within limits of size and time."""

import asyncio

from starlette.requests import ClientDisconnect, Request

from prediction_api.problems import Refusal

CLOSE = {"connection": "close"}


async def read(request: Request, most_bytes: int, seconds: float) -> bytes:
    """The whole body.

    Raises Refusal: 413 where it is larger (after reading past the rest, so that the caller sees the answer), 408 where it is
    slower, 415 where it is compressed.
    """
    headers = request.headers
    if headers.get("content-encoding", "identity") != "identity":
        raise Refusal(415, f"The body should come as it is; it is encoded as {headers['content-encoding']}.", headers=CLOSE)
    try:
        async with asyncio.timeout(seconds):
            return await _read(request, most_bytes)
    except TimeoutError as error:
        raise Refusal(
            408, f"The body should arrive within {seconds:g} seconds (REQUEST_SECONDS); it did not.", headers=CLOSE
        ) from error


async def _read(request: Request, most_bytes: int) -> bytes:
    parts, size, more = [], 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        if size <= most_bytes:
            parts.append(part)
        else:
            parts.clear()
    if size > most_bytes:
        raise Refusal(
            413, f"The body should hold at most {most_bytes:,} bytes (MAX_BODY_BYTES); it holds {size:,}.", headers=CLOSE
        )
    return parts[0] if len(parts) == 1 else b"".join(parts)
