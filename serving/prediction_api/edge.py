"""The edge of the service: what every request passes, whatever it asks. Ids, limits, logs, metrics, and no naked failure."""

import logging
import re
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from prediction_api.logs import LOGGER
from prediction_api.metrics import Metrics
from prediction_api.problems import problem

REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
UNLIMITED = ("/healthz", "/readyz", "/metrics")  # those who watch must get through when nobody else does
OTHER = "other"  # one label for all paths that are no route
logger = logging.getLogger(LOGGER)


class Edge:
    """Gives each request an id, refuses those beyond the limit, and counts and logs all of them."""

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: frozenset[str], most_at_once: int, access_log: bool) -> None:
        self._app, self._metrics, self._routes = app, metrics, routes
        self._most_at_once, self._access_log = most_at_once, access_log
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes one request on (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, path, status = time.perf_counter(), scope["path"], 0
        request_id = _request_id(scope)
        scope["state"]["request_id"] = request_id
        header = (b"x-request-id", request_id.encode())

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], header]
            await send(message)

        limited = path not in UNLIMITED
        self._running += limited
        try:
            if limited and self._running > self._most_at_once:
                detail = f"{self._most_at_once} requests are being answered (MAX_CONCURRENCY). Try again in a moment."
                await problem(503, detail)(scope, receive, answer)
            else:
                await self._app(scope, receive, answer)
        except Exception:
            logger.exception("a request failed", extra={"request_id": request_id, "path": path})
            if status:
                raise
            await problem(500, f"The service failed; its log says why under request {request_id}.")(scope, receive, answer)
        finally:
            self._running -= limited
            seconds = time.perf_counter() - start
            route = path if path in self._routes else OTHER
            self._metrics.request(route, status, seconds)
            if self._access_log:
                self._log(scope, request_id, status, seconds)

    def _log(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        client = scope["client"]
        extra = {
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "milliseconds": round(seconds * 1000, 2),
            "request_id": request_id,
            "client": client[0] if client else None,
            "caller": scope["state"].get("caller"),
        }
        logger.info("request", extra=extra)


def _request_id(scope: Scope) -> str:
    """The caller's id where it is a plain one, a fresh one otherwise."""
    given = Headers(scope=scope).get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else str(uuid7())
