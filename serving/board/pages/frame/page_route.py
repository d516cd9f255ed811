"""Routes that answer with a page, also where they refuse: the refusal is a sentence on it."""

import logging
from collections.abc import Awaitable, Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from board.pages.frame.rendering import render
from service_kit.field_errors import invalid_request
from service_kit.problems import RETRY_SECONDS, ProblemError

logger = logging.getLogger(__name__)


class PageRoute(APIRoute):
    """A route whose refusals are pages with their status."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the route, whose errors become pages."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except RequestValidationError as error:
                return error_page(request, invalid_request(error.errors()))
            except HTTPException as error:
                return error_page(request, error)
            except Exception:
                request_id = getattr(request.state, "request_id", None)
                logger.exception("a page failed", extra={"request_id": request_id, "path": request.url.path})
                return error_page(
                    request, ProblemError(500, f"The board failed; its log says why under request {request_id}.")
                )

        return handle


def http_error(api: Any) -> Callable[[Request, Any], Awaitable[Response]]:
    """The handler of errors outside pages: a page where a browser asks for a path without a route, else the API answers."""

    async def handle(request: Request, error: Any) -> Response:
        is_nowhere = error.status_code == HTTPStatus.NOT_FOUND and request.scope.get("route") is None
        if is_nowhere and "text/html" in request.headers.get("accept", ""):
            return error_page(request, ProblemError(404, "There is no page at this address."))
        response: Response = await api(request, error)
        return response

    return handle


def error_page(request: Request, error: HTTPException) -> Response:
    """The page that says why a request is refused."""
    response = render(
        request, "error.html", error.status_code, title=HTTPStatus(error.status_code).phrase, detail=str(error.detail),
        field_errors=getattr(error, "field_errors", ()),
    )  # fmt: skip
    response.headers.update(error.headers or {})
    if error.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["retry-after"] = str(RETRY_SECONDS)
    return response
