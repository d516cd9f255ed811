"""What every request passes, whatever it asks for: an id, limits, a log line, metrics, and no failure without a problem."""

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from service_kit.body_limit import BodyLimit, limit_body
from service_kit.logs import AccessLog
from service_kit.problems import ProblemError, error_response

REQUEST_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,128}")
UNLIMITED = frozenset(("/healthz", "/readyz", "/metrics"))  # monitoring must get through when nobody else does
OTHER = "other"  # one label for all paths that are no route
GONE = 499  # the caller left before the answer; only logs and metrics show this status
logger = logging.getLogger(__name__)
Observe = Callable[[str, int, float], None]  # route, status, seconds


@dataclass(frozen=True)
class RequestLimits:
    """How many requests are answered at once, the setting that says so, and how large a body may be, by path."""

    most_at_once: int
    most_at_once_setting: str
    body: BodyLimit
    body_of_path: Mapping[str, BodyLimit]

    def too_many(self) -> ProblemError:
        """The refusal (503) of a request beyond the limit."""
        detail = f"{self.most_at_once} requests are being answered ({self.most_at_once_setting}). Try again in a moment."
        return ProblemError(503, detail)


class RequestMiddleware:
    """Gives each request an id, refuses those beyond the limits, counts and logs all (ASGI).

    A request is counted under its path where ``paths`` holds it, else under the template of its route.
    """

    def __init__(
        self, app: ASGIApp, limits: RequestLimits, observe: Observe, paths: frozenset[str], access_log: AccessLog | None
    ) -> None:
        self._app, self._limits, self._observe, self._paths = app, limits, observe, paths
        self._access_log = access_log
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes one request on; flushes the access log when the application ends."""
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            if self._access_log:
                self._access_log.flush()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        start, status = time.perf_counter(), GONE
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id.decode()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            try:
                await send(message)
            except RuntimeError as error:  # of several requests on a connection, uvicorn tells only the last that it closed
                if "closed" not in str(error):
                    raise
                raise ClientDisconnect from error

        path = scope["path"]
        limited = path not in UNLIMITED
        self._running += limited
        try:
            if limited and self._running > self._limits.most_at_once:
                raise self._limits.too_many()
            body = self._limits.body_of_path.get(path, self._limits.body)
            await self._app(scope, limit_body(receive, body), send_with_id)
        except ProblemError as error:
            await error_response(error)(scope, receive, send_with_id)
        except ClientDisconnect:
            pass
        except Exception:
            logger.exception("a request failed", extra={"request_id": request_id.decode(), "path": path})
            if status != GONE:
                raise
            detail = f"The service failed; its log says why under request {request_id.decode()}."
            await error_response(ProblemError(500, detail))(scope, receive, send_with_id)
        finally:
            self._running -= limited
            self._note(scope, status, time.perf_counter() - start)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        path = scope["path"]
        route = path if path in self._paths else getattr(scope.get("route"), "path", OTHER)
        self._observe(route, status, seconds)
        if self._access_log:
            self._access_log.write(scope, status, seconds)


def _request_id(scope: Scope) -> bytes:
    """The id that the caller sent, if it is a plain one, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            return bytes(value)
    return str(uuid7()).encode()
