"""Refusals of all routes under /v2 in the protocol's form: ``{"error": "..."}`` in place of problem details."""

from typing import Any

from pydantic_core import from_json, to_json
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service_kit.media_type import JSON
from service_kit.problems import MEDIA_TYPE
from service_kit.request_middleware import route_path

ROOT = "/v2"
REPLACED = (b"content-type", b"content-length")


class ErrorForm:
    """Rewrites the problems of the paths under ROOT (ASGI); statuses and other headers stay."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""
        is_rewritten = scope["type"] == "http" and _is_under_root(scope)
        await self._app(scope, receive, _rewriting(send) if is_rewritten else send)


def refusal_form(scope: Scope, problem: bytes) -> tuple[str, bytes]:
    """The media type and the content of a problem of this request."""
    return (JSON, _content(problem)) if _is_under_root(scope) else (MEDIA_TYPE, problem)


def _is_under_root(scope: Scope) -> bool:
    return f"{route_path(scope)}/".startswith(f"{ROOT}/")


def _content(problem: bytes) -> bytes:
    return to_json({"error": sentence(from_json(problem))})


def _rewriting(send: Send) -> Send:
    starts: list[Message] = []  # of a problem, until its content is known, which comes in one message

    async def send_in_form(message: Message) -> None:
        if message["type"] == "http.response.start" and (b"content-type", MEDIA_TYPE.encode()) in message["headers"]:
            starts.append(message)
            return
        if starts:
            start, body = starts.pop(), message.get("body", b"")
            content = _content(body) if body else b""  # HEAD has none
            headers = [header for header in start["headers"] if header[0] not in REPLACED]
            length = [(b"content-length", str(len(content)).encode())] if content else []
            await send({**start, "headers": [*headers, (b"content-type", JSON.encode()), *length]})
            message = {**message, "body": content}
        await send(message)

    return send_in_form


def sentence(problem: dict[str, Any]) -> str:
    """A problem in one text, with each error of a field."""
    errors = [f"{error['field']}: wanted {error['wanted']}, got {error['got']}" for error in problem.get("errors", [])]
    return " ".join((problem["detail"], *("; ".join(errors),) * bool(errors)))
