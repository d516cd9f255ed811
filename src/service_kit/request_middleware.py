"""What every request of every service gets: an id, limits, a log line, metrics, and a problem where it fails."""

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from service_kit.body_limit import BodyLimit, limit_body, read_ahead
from service_kit.logs import AccessLog
from service_kit.problems import CLOSE, ProblemError, error_response

REQUEST_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,128}")
UNLIMITED = frozenset(("/healthz", "/readyz", "/metrics"))  # monitoring must get through when nobody else does
WITH_BODY = frozenset(("POST", "PUT", "PATCH"))
REQUEST_ID_HEADER = b"x-request-id"
HOST, TRANSFER_ENCODING = b"host", b"transfer-encoding"
ONCE = (HOST, b"x-api-key", b"authorization", b"content-type")
READ_HERE = frozenset((REQUEST_ID_HEADER, TRANSFER_ENCODING, *ONCE))
OTHER = "other"  # one label for all paths that are no route
GONE = 499  # the caller left before the answer; only logs and metrics show this status
logger = logging.getLogger(__name__)
Headers = Sequence[tuple[bytes, bytes]]
Observe = Callable[[str, int, float], None]  # route, status, seconds


@dataclass(frozen=True)
class RequestLimits:
    """How many requests are answered at once, the setting that says so, and how large a body may be, by path.

    Requests to paths that are ``is_unlimited`` are answered beside them.
    """

    most_at_once: int
    most_at_once_setting: str
    body: BodyLimit
    body_of_path: Mapping[str, BodyLimit]
    is_unlimited: Callable[[str], bool] = UNLIMITED.__contains__

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
        self._places: set[_Answer] = set()  # of the requests that are being answered

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
        start, path = time.perf_counter(), route_path(scope)
        headers = [header for header in scope["headers"] if header[0] in READ_HERE]
        request_id, method = _request_id(headers), scope["method"]
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id.encode(), method, self._places)
        request = {**scope, "method": "GET"} if answer.is_head else scope
        try:
            _check_headers(headers, scope["http_version"])
            limit = self._limits.body_of_path.get(path, self._limits.body)
            # A caller who sends no body takes no place.
            receive = await read_ahead(receive, limit) if method in WITH_BODY else limit_body(receive, limit)
            if not self._limits.is_unlimited(path):
                if len(self._places) >= self._limits.most_at_once:
                    raise self._limits.too_many()
                self._places.add(answer)
            await self._app(request, receive, answer.send)
        except ProblemError as error:
            await error_response(error)(request, receive, answer.send)
        except ClientDisconnect:
            pass
        except Exception:
            logger.exception("a request failed", extra={"request_id": request_id, "path": path})
            if answer.is_begun:
                raise
            detail = f"The service failed; its log says why under request {request_id}."
            await error_response(ProblemError(500, detail))(request, receive, answer.send)
        finally:
            self._places.discard(answer)
            if answer.is_head:
                request = {**request, "method": "HEAD"}
            self._note(request, path, answer.status, time.perf_counter() - start)

    def _note(self, scope: Scope, path: str, status: int, seconds: float) -> None:
        route = path if path in self._paths else getattr(scope.get("route"), "path", OTHER)
        self._observe(route, status, seconds)
        if self._access_log:
            self._access_log.write(scope, status, seconds)


class _Answer:
    """An answer on its way: with the id of its request, and for HEAD without the content that GET gets."""

    def __init__(self, send: Send, request_id: bytes, method: str, places: "set[_Answer]") -> None:
        self._send, self._request_id, self._places = send, request_id, places
        self.is_head, self.status = method == "HEAD", GONE
        self.is_begun = self._is_complete = False
        self._start: Message = {}

    async def send(self, message: Message) -> None:
        """Sends a part of it. A complete answer takes no place any more, however slowly the caller reads it."""
        if message["type"] == "http.response.start":  # sent with the content, because the caller may not read even that
            self.status = message["status"]
            message["headers"] = [*message["headers"], (REQUEST_ID_HEADER, self._request_id)]
            self._start = message
            return
        if self._is_complete:
            raise ClientDisconnect  # what follows is content that a HEAD does not get
        if self.is_head:
            message = {**message, "body": b"", "more_body": False}
        self._is_complete = not message.get("more_body", False)
        if self._is_complete:
            self._places.discard(self)
        try:
            if not self.is_begun:
                self.is_begun = True
                await self._send(self._start)
            await self._send(message)
        except RuntimeError as error:  # of several requests on a connection, uvicorn tells only the last that it closed
            if "closed" not in str(error):
                raise
            raise ClientDisconnect from error


def _check_headers(headers: Headers, http_version: str) -> None:
    """Refuses headers on which proxies and services may disagree, as RFC 9112 has it (3.2, 6.1).

    Raises ProblemError: 400 for one that may come once and comes twice and for a missing Host, 501 for a coding of the body.
    """
    by_name = dict(headers)
    if len(by_name) < len(headers):
        names = [name for name, _ in headers]
        for name in ONCE:
            if names.count(name) > 1:
                raise ProblemError(400, f"The header {name.decode()} should come once; it comes {names.count(name)} times.")
    if HOST not in by_name and http_version == "1.1":
        raise ProblemError(400, "A request of HTTP/1.1 should have the header Host; this one has none.")
    if TRANSFER_ENCODING in by_name:
        for name, value in headers:
            if name == TRANSFER_ENCODING and value.strip().lower() != b"chunked":
                coding = value.decode("latin-1")
                raise ProblemError(501, f"Transfer-Encoding should be chunked; it is {coding!r}.", headers=CLOSE)


def route_path(scope: Scope) -> str:
    """The path of a request without the prefix of ROOT_PATH, which some proxies leave there."""
    path, prefix = scope["path"], scope.get("root_path", "")
    return str(path.removeprefix(prefix)) if prefix and path.startswith(f"{prefix}/") else str(path)


def _request_id(headers: Headers) -> str:
    """The id that the caller sent, if it is a plain one, else a new one."""
    for name, value in headers:
        if name == REQUEST_ID_HEADER and REQUEST_ID.fullmatch(value):
            return value.decode()
    return str(uuid7())
