"""POST /token: a name and a password for a token (OAuth2 password grant, RFC 6749)."""

import logging
import re
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.security import OAuth2PasswordRequestForm

from data_api.app_state import AppState
from data_api.crud import users
from data_api.database.engine import transaction
from data_api.dependencies import ServiceDep, reading
from data_api.http.no_query import NO_QUERY
from data_api.http.openapi_responses import refusals
from data_api.logs import LOGGER
from data_api.metrics import FAILED, SUCCEEDED, THROTTLED
from data_api.models import User
from data_api.schemas.types import LONGEST_NAME, NAME, now
from data_api.schemas.users import TokenRead
from service_kit.problems import ProblemError

NOBODY = "Nobody has this name and this password."
router = APIRouter(tags=["users"], dependencies=[NO_QUERY])
logger = logging.getLogger(LOGGER)


@router.post("/token", summary="Log in", responses=refusals(400, 401, 413, 415, 422, 429))
def log_in(request: Request, service: ServiceDep, form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> TokenRead:
    """Takes form fields. The token goes into the header `Authorization: Bearer ...`."""
    begun = now()  # before the user is read: a token of a password that changes meanwhile counts no more
    user = _known(request, service, form)
    request.state.caller = user.name
    if user.password_hash and service.passwords.outdated(user.password_hash):
        _rehash(service, user.user_id, user.password_hash, form.password)
    return TokenRead(
        access_token=service.tokens.issue(user.user_id, begun), expires_in=int(service.tokens.lasts.total_seconds())
    )


def _known(request: Request, service: AppState, form: OAuth2PasswordRequestForm) -> User:
    """Who has this name and password; raises ProblemError (401, 429). No connection is held while the password is tried."""
    name = form.username if re.fullmatch(NAME, form.username) and len(form.username) <= LONGEST_NAME else None
    found: list[User] = []

    def right() -> bool:
        if name is None:
            return False
        with reading(service) as session:
            user = users.by_name(session, name)
        found.extend([user] if user else [])
        return service.passwords.verify(user.password_hash if user else None, form.password)

    try:
        known = service.logins.guess(name, _address(request), right)
    except ProblemError as refusal:
        if refusal.status_code == 429:
            service.metrics.logins[THROTTLED].inc()
        raise
    service.metrics.logins[SUCCEEDED if known else FAILED].inc()
    if not known:
        raise ProblemError(401, NOBODY, headers={"www-authenticate": "Bearer"})
    return found[0]


def _rehash(service: AppState, user_id: int, old: str, password: str) -> None:
    """Once after the parameters of hashing have changed. Where it fails, the next login does it."""
    try:
        new = service.passwords.hash(password)
        with transaction(service.engine) as session:
            users.rehash(session, user_id, old, new)
    except Exception as error:
        logger.warning("a password is not hashed anew yet", extra={"reason": str(error) or type(error).__name__})


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
