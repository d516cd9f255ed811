"""Log in and out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from board.app_state import AppState
from board.pages.access import session
from board.pages.access.reader import is_open, local_path
from board.pages.frame.page_route import PageRoute
from board.pages.frame.rendering import render
from service_kit.problems import ProblemError

LOGGED_OUT = "You are logged out."
Next = Annotated[str, Query(max_length=2000)]
router = APIRouter(route_class=PageRoute, dependencies=[Depends(session.csrf_token)])


@router.get("/login")
async def show(request: Request, next: Next = "/") -> Response:  # noqa: A002 # the usual name in an address
    """The form, or, for somebody who needs none, the page that they wanted."""
    if is_open(request) or session.reader_of(request):
        return _redirect(request, next)
    return render(request, "login.html", next=next, name="", refusal=None, notice=request.session.pop(session.NOTICE, None))


@router.post("/login", dependencies=[Depends(session.check_csrf_token)])
async def log_in(
    request: Request,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002
) -> Response:
    """Asks the data service; leads to the page that was wanted, or says what is wrong."""
    service: AppState = request.app.state.service
    try:
        log_in = await service.readers.log_in(name, password, request.client.host if request.client else None)
    except ProblemError as error:
        page = render(request, "login.html", error.status_code, next=next, name=name, refusal=error.detail, notice=None)
        page.headers.update(error.headers or {})
        return page
    session.begin(request, log_in)
    request.state.caller = log_in.reader.name
    return _redirect(request, next)


@router.post("/logout", dependencies=[Depends(session.check_csrf_token)])
async def log_out(request: Request) -> Response:
    """Ends the session in this browser. Somebody who copied its cookie before can use it until the token expires."""
    session.end(request, LOGGED_OUT)
    return _redirect(request, "/login")


def _redirect(request: Request, path: str) -> Response:
    return RedirectResponse(request.scope.get("root_path", "") + local_path(path), 303)
