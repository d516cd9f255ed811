"""Sessions in a signed cookie, which every board with the same secret reads, and the token that forms carry."""

import secrets
import time

from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from board.clients.readers import LogIn, Reader
from service_kit.problems import ProblemError

COOKIE = "ontime_session"
CSRF_TOKEN, NOTICE = "csrf_token", "notice"  # names
CSRF_BYTES = 16
FORM_EXPIRED = "The form is too old, or the browser sends no cookies. Reload the page, and send the form again."


class Sessions:
    """Gives each request the session of its cookie (ASGI); the cookie is for https alone where the request came by it.

    The cookie is for HTTP alone, and no other site's form sends it. It ends with the browser; what it holds has its own end.
    """

    def __init__(self, app: ASGIApp, secret: str, root_path: str) -> None:
        self._app = {
            scheme: SessionMiddleware(
                app, secret, COOKIE, max_age=None, path=root_path or "/", same_site="lax", https_only=scheme == "https"
            )
            for scheme in ("http", "https")
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on with its session."""
        await self._app[scope.get("scheme", "http")](scope, receive, send)


def begin(request: Request, log_in: LogIn) -> None:
    """Begins the session of somebody who logged in; nothing of the one before stays."""
    request.session.clear()
    request.session.update(
        name=log_in.reader.name, role=log_in.reader.role, token=log_in.token, expires_at=log_in.expires_at
    )


def end(request: Request, notice: str) -> None:
    """Ends a session; the log-in page will show the notice."""
    request.session.clear()
    request.session[NOTICE] = notice


def reader_of(request: Request) -> Reader | None:
    """Whose session this is; None where nobody logged in, or too long ago."""
    session = request.session
    return Reader(session["name"], session["role"]) if session.get("expires_at", 0) > time.time() else None


def token_of(request: Request) -> str:
    """The token of the data service that the reader of this session logged in for."""
    return str(request.session["token"])


async def csrf_token(request: Request) -> None:
    """Puts the token that forms carry into the state of the request, for the page to show."""
    request.state.csrf_token = request.session.setdefault(CSRF_TOKEN, secrets.token_urlsafe(CSRF_BYTES))


async def check_csrf_token(request: Request) -> None:
    """Raises ProblemError (403) where a form does not carry the token of its session."""
    expected = request.session.get(CSRF_TOKEN)
    sent = (await request.form()).get(CSRF_TOKEN)
    if not expected or not isinstance(sent, str) or not secrets.compare_digest(sent.encode(), expected.encode()):
        raise ProblemError(403, FORM_EXPIRED)
