"""Asks a server the same thing over a few connections, again and again for some seconds, and prints what it took as JSON.

`python load.py HOST PORT PATH BODY [--connections 8] [--seconds 5] [--header NAME:VALUE]`. A plain protocol, so that the
processor is the server's.
"""

import argparse
import asyncio
import json
import time
from pathlib import Path

import uvloop

WARM_SECONDS = 1.0
ANSWER_SECONDS = 60.0  # for the last answers


class Asking(asyncio.Protocol):
    """One connection: sends the request, waits for the whole answer, notes the time, sends it again."""

    def __init__(self, request: bytes, warm: float, until: float) -> None:
        self.request, self.warm, self.until = request, warm, until
        self.times: list[float] = []
        self.failed = self.answers = 0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.got = b""
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.got, self.sent = b"", time.perf_counter()
        self.transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.got += data
        head, divided, body = self.got.partition(b"\r\n\r\n")
        if not divided:
            return
        _, found, rest = head.lower().partition(b"\r\ncontent-length:")
        if not found or len(body) < int(rest.split(b"\r\n", 1)[0]):
            return
        now = time.perf_counter()
        self.answers += 1
        if now >= self.warm:
            self.times.append(now - self.sent)
            self.failed += not head.startswith(b"HTTP/1.1 200")
        if now < self.until:
            self.ask()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(None)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("body", type=Path)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--header", action="append", help="NAME: VALUE; without any, the content type of JSON")
    asked = parser.parse_args()
    body = asked.body.read_bytes()
    headers = "\r\n".join(
        ["Host: bench", f"Content-Length: {len(body)}", *(asked.header or ["Content-Type: application/json"])]
    )
    head = f"POST {asked.path} HTTP/1.1\r\n{headers}\r\n\r\n"
    start = time.perf_counter() + WARM_SECONDS
    loop = asyncio.get_running_loop()

    def ask() -> Asking:
        return Asking(head.encode() + body, start, start + asked.seconds)

    connected = [await loop.create_connection(ask, asked.host, asked.port) for _ in range(asked.connections)]
    asking = [protocol for _, protocol in connected]
    async with asyncio.timeout(WARM_SECONDS + asked.seconds + ANSWER_SECONDS):
        await asyncio.gather(*(one.over for one in asking))
    times = sorted(one for each in asking for one in each.times)
    told = {"count": len(times), "per_second": len(times) / asked.seconds, "failed": sum(one.failed for one in asking)}
    told["all"] = sum(one.answers for one in asking)  # also while warming up
    if times:
        told |= {f"p{share}": times[min(len(times) - 1, len(times) * share // 100)] for share in (50, 99)}
    print(json.dumps(told))


if __name__ == "__main__":
    uvloop.run(main())
