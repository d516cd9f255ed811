"""Who may see the pages: in development the people at this machine, elsewhere readers who logged in."""

import re
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import Depends
from starlette.requests import Request

from board.app_state import AppState
from board.clients.readers import Reader
from board.pages.access import session
from service_kit.problems import ProblemError
from service_kit.request_middleware import route_path

THIS_MACHINE = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")  # as the header Host says it
LOCAL_PATH = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")
EXPIRED = "Your session has ended. Log in again."


async def page_reader(request: Request, _: Annotated[None, Depends(session.csrf_token)]) -> Reader | None:
    """The reader, also in the state of the request; None where the pages are open.

    Raises ProblemError, which leads to the log-in, where nobody has logged in, or their session has ended.
    """
    request.state.reader = None
    if is_open(request):
        return None
    service: AppState = request.app.state.service
    reader = session.reader_of(request)
    if reader is None or not await service.readers.is_valid(session.token_of(request)):
        if "token" in request.session:
            session.end(request, EXPIRED)
        raise _log_in(request)
    request.state.reader, request.state.caller = reader, reader.name
    return reader


PageReader = Annotated[Reader | None, Depends(page_reader)]


def is_open(request: Request) -> bool:
    """Whether a page needs no log-in: asked for under a name of this machine, of a board that has development's secret.

    Pages of strangers that let their own name point at this machine get nothing.
    """
    service: AppState = request.app.state.service
    return service.settings.pages_are_open and bool(THIS_MACHINE.fullmatch(request.headers.get("host", "")))


def local_path(address: str) -> str:
    """The address, if it is a path of this board with or without a query, else the first page."""
    return address if LOCAL_PATH.fullmatch(address) else "/"


def _log_in(request: Request) -> ProblemError:
    """The way to the log-in page, and from there back to the page; a script that asked for a part gets the whole page so."""
    root = request.scope.get("root_path", "")
    current = request.headers.get("hx-current-url")
    page = _path_of(current).removeprefix(root) if current else _path_of(str(request.url), route_path(request.scope))
    if request.method not in {"GET", "HEAD"} and not current:
        page = "/"
    location = f"{root}/login?next={quote(local_path(page), safe='/')}"
    if current:
        return ProblemError(401, EXPIRED, headers={"hx-redirect": location})
    return ProblemError(303, "Log in to see this page.", headers={"location": location})


def _path_of(address: str, path: str | None = None) -> str:
    parts = urlsplit(address)
    return (parts.path if path is None else path) + (f"?{parts.query}" if parts.query else "")
