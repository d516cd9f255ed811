"""The edge of the service: what every request passes, whatever it asks. Ids, limits, logs, metrics, and no naked failure."""

import asyncio
import logging
import re
import time
from uuid import uuid4

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data_api.http.problems import ProblemError, problem, refused
from data_api.logs import LOGGER
from data_api.metrics import Metrics
from data_api.settings import Settings

REQUEST_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,128}")
UNLIMITED = frozenset(("/healthz", "/readyz", "/metrics"))  # those who watch must get through when nobody else does
BULK = frozenset(("/predictions", "/outcomes"))
SMALL_BODY_BYTES = 2**18
OTHER = "other"  # one label for all paths that are no route
GONE = 499  # the caller left before the answer; nobody sees this but logs and metrics
CLOSE = {"connection": "close"}
logger = logging.getLogger(LOGGER)


class RequestMiddleware:
    """Gives each request an id, refuses those beyond the limits, counts and logs all."""

    def __init__(self, app: ASGIApp, metrics: Metrics, settings: Settings) -> None:
        self._app, self._metrics, self._settings = app, metrics, settings
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes one request on (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), GONE
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id")
        request_id = given if given and REQUEST_ID.fullmatch(given) else str(uuid4()).encode()
        scope.setdefault("state", {})["request_id"] = request_id.decode()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        limited = scope["path"] not in UNLIMITED
        self._running += limited
        try:
            self._refuse_crowd(limited)
            await self._app(scope, self._within_limits(scope, receive), answer)
        except ProblemError as refusal:
            await refused(refusal)(scope, receive, answer)
        except ClientDisconnect:
            pass
        except Exception:
            logger.exception("a request failed", extra={"request_id": request_id.decode(), "path": scope["path"]})
            if status != GONE:
                raise
            detail = f"The service failed; its log says why under request {request_id.decode()}."
            await problem(500, detail)(scope, receive, answer)
        finally:
            self._running -= limited
            self._note(scope, status, time.perf_counter() - start)

    def _refuse_crowd(self, limited: bool) -> None:
        most = self._settings.data_api_max_concurrency
        if limited and self._running > most:
            raise ProblemError(503, f"{most} requests are being answered (DATA_API_MAX_CONCURRENCY). Try again in a moment.")

    def _within_limits(self, scope: Scope, receive: Receive) -> Receive:
        """A ``receive`` that refuses a body that is too large (413), after reading past it, or too slow (408)."""
        bulk = scope["path"] in BULK
        most, name = (
            (self._settings.data_api_max_body_bytes, " (DATA_API_MAX_BODY_BYTES)") if bulk else (SMALL_BODY_BYTES, "")
        )
        until = asyncio.get_running_loop().time() + self._settings.data_api_request_seconds
        whole, size = False, 0

        async def limited() -> Message:
            nonlocal whole, size
            if whole:
                return await receive()
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
                    size += len(message.get("body", b""))
                    while size > most and message.get("more_body", False):
                        message = await receive()
                        size += len(message.get("body", b""))
            except TimeoutError as error:
                seconds = self._settings.data_api_request_seconds
                raise ProblemError(
                    408, f"The body should arrive within {seconds:g} seconds (DATA_API_REQUEST_SECONDS).", headers=CLOSE
                ) from error
            whole = not message.get("more_body", False)
            if size > most:
                raise ProblemError(413, f"The body may hold {most:,} bytes{name}; it holds {size:,}.", headers=CLOSE)
            return message

        return limited

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        self._metrics.request(getattr(scope.get("route"), "path", None) or OTHER, status, seconds)
        if self._settings.access_log:
            client, state = scope["client"], scope["state"]
            extra = {
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "milliseconds": round(seconds * 1000, 2),
                "request_id": state["request_id"],
                "client": client[0] if client else None,
                "caller": state.get("caller"),
            }
            logger.info("request", extra=extra)
