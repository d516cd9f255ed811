"""POST /token: a name and a password for a token (OAuth2 password grant, RFC 6749)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.security import OAuth2PasswordRequestForm

from data_api.callers import Reads, Serving
from data_api.crud import users
from data_api.database import transaction
from data_api.metrics import FAILED, SUCCEEDED, THROTTLED
from data_api.problems import Refusal
from data_api.routes.answers import refusals
from data_api.schemas.fields import now
from data_api.schemas.users import LoggedIn
from data_api.service import Service

NOBODY = "Nobody has this name and this password."
router = APIRouter(tags=["users"])


def counted(
    request: Request, service: Serving, form: Annotated[OAuth2PasswordRequestForm, Depends()]
) -> OAuth2PasswordRequestForm:
    """The form of an attempt that was counted, before the database is asked; raises Refusal (429)."""
    try:
        service.logins.attempt(form.username, _address(request))
    except Refusal:
        service.metrics.logins[THROTTLED].inc()
        raise
    return form


@router.post("/token", summary="Log in", responses=refusals(400, 401, 413, 422, 429))
def log_in(
    request: Request, service: Serving, form: Annotated[OAuth2PasswordRequestForm, Depends(counted)], session: Reads
) -> LoggedIn:
    """The token goes into the header `Authorization: Bearer ...`."""
    user = users.by_name(session, form.username) if "\0" not in form.username else None
    if not service.passwords.verify(user.password_hash if user else None, form.password) or user is None:
        service.metrics.logins[FAILED].inc()
        raise Refusal(401, NOBODY, headers={"www-authenticate": "Bearer"})
    service.logins.succeeded(form.username, _address(request))
    service.metrics.logins[SUCCEEDED].inc()
    if user.password_hash and service.passwords.outdated(user.password_hash):
        _rehash(service, user.user_id, user.password_hash, form.password)
    request.state.caller = user.name
    return LoggedIn(
        access_token=service.tokens.issue(user.user_id, now()), expires_in=int(service.tokens.lasts.total_seconds())
    )


def _rehash(service: Service, user_id: int, old: str, password: str) -> None:
    """A transaction of its own, once after the parameters of hashing have changed."""
    new = service.passwords.hash(password)
    with transaction(service.engine) as session:
        users.rehash(session, user_id, old, new)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
