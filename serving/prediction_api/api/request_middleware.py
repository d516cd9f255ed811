"""The edge of the service: what every request passes, whatever it asks. Ids, limits, logs, metrics, and no naked failure."""

import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from prediction_api.api.predict_routes import Content, Headers
from prediction_api.logs import LOGGER, AccessLog
from prediction_api.metrics import Metrics
from prediction_api.problems import ProblemError, problem, refused

REQUEST_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,128}")
UNLIMITED = frozenset(("/healthz", "/readyz", "/metrics"))  # those who watch must get through when nobody else does
OTHER = "other"  # one label for all paths that are no route
GONE = 499  # the caller left before the answer; nobody sees this but logs and metrics
ONLY_POST = ProblemError(405, "This route takes POST.", headers={"allow": "POST"})
logger = logging.getLogger(LOGGER)
Answering = Callable[[Scope, Headers, Receive], Awaitable[Content]]


class RequestMiddleware:
    """Gives each request an id, refuses those beyond the limit, counts and logs all. Answers the direct routes itself."""

    def __init__(
        self,
        app: ASGIApp,
        direct: Mapping[str, Answering],
        metrics: Metrics,
        routes: frozenset[str],
        most_at_once: int,
        access_log: AccessLog | None,
    ) -> None:
        self._app, self._direct, self._metrics, self._routes = app, direct, metrics, routes
        self._most_at_once, self._access_log = most_at_once, access_log
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes one request on (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), GONE
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id")
        request_id = given if given and REQUEST_ID.fullmatch(given) else str(uuid7()).encode()
        scope.setdefault("state", {})["request_id"] = request_id.decode()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            try:
                await send(message)
            except RuntimeError as error:  # uvicorn tells only the last of several requests on a connection of its end
                if "closed" not in str(error):
                    raise
                raise ClientDisconnect from error

        limited = scope["path"] not in UNLIMITED
        self._running += limited
        try:
            await self._pass(scope, headers, receive, answer, limited)
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

    async def _pass(self, scope: Scope, headers: Headers, receive: Receive, send: Send, limited: bool) -> None:
        if limited and self._running > self._most_at_once:
            raise ProblemError(
                503, f"{self._most_at_once} requests are being answered (MAX_CONCURRENCY). Try again in a moment."
            )
        direct = self._direct.get(scope["path"])
        if direct is None:
            await self._app(scope, receive, send)
            return
        if scope["method"] != "POST":
            raise ONLY_POST
        content, kind = await direct(scope, headers, receive)
        length = (b"content-length", str(len(content)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind), length]})
        await send({"type": "http.response.body", "body": content})

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        path = scope["path"]
        self._metrics.request(path if path in self._routes else OTHER, status, seconds)
        if self._access_log:
            self._access_log.write(scope, status, seconds)
