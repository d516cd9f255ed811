"""Route that exchanges a name and a password for a token (OAuth2 password grant, RFC 6749)."""

import logging
import re
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.security import OAuth2PasswordRequestForm

from data_api.app_state import AppState
from data_api.auth.login_throttle import TooManyLogins
from data_api.crud import users
from data_api.database.engine import transaction
from data_api.dependencies import ServiceDep, reading
from data_api.http.query_parameters import refuse_repeated
from data_api.metrics import FAILED, SUCCEEDED, THROTTLED
from data_api.models import User
from data_api.schemas.types import LONGEST_NAME, NAME, now
from data_api.schemas.users import TokenRead
from service_kit.problems import ProblemError

NOBODY = "Nobody has this name and this password."
router = APIRouter(tags=["users"])
logger = logging.getLogger(__name__)


async def _form(request: Request, form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> OAuth2PasswordRequestForm:
    """The form, whose parameters come once (RFC 6749, section 3.2). Raises RequestValidationError."""
    refuse_repeated((await request.form()).multi_items(), "body")
    return form


@router.post("/token", summary="Log in", responses={401: {}, 429: {}})
def log_in(request: Request, service: ServiceDep, form: Annotated[OAuth2PasswordRequestForm, Depends(_form)]) -> TokenRead:
    """Takes form fields. Send the token in the header `Authorization: Bearer ...`."""
    issued_at = now()  # before the user is read: if the password changes meanwhile, the token is invalid
    user = _authenticate(request, service, form)
    request.state.caller = user.name
    if user.password_hash and service.passwords.is_outdated(user.password_hash):
        _rehash(service, user.user_id, user.password_hash, form.password)
    return TokenRead(
        access_token=service.tokens.issue(user.user_id, issued_at), expires_in=int(service.tokens.lasts.total_seconds())
    )


def _authenticate(request: Request, service: AppState, form: OAuth2PasswordRequestForm) -> User:
    """The user with this name and password; raises ProblemError (401, 429). No connection is held during the check."""
    name = form.username if re.fullmatch(NAME, form.username) and len(form.username) <= LONGEST_NAME else None
    user: User | None = None

    def is_right() -> bool:
        nonlocal user
        if name is None:
            return False
        with reading(service) as session:
            user = users.get_by_name(session, name)
        return service.passwords.verify(user.password_hash if user else None, form.password)

    try:
        succeeded = service.logins.check(name, request.client.host if request.client else "", is_right)
    except TooManyLogins:
        service.metrics.logins[THROTTLED].inc()
        raise
    service.metrics.logins[SUCCEEDED if succeeded else FAILED].inc()
    if not succeeded or user is None:
        raise ProblemError(401, NOBODY, headers={"www-authenticate": "Bearer"})
    return user


def _rehash(service: AppState, user_id: int, old: str, password: str) -> None:
    """Stores a new hash, once the parameters have changed; if it fails, the next login tries again."""
    try:
        new = service.passwords.hash(password)
        with transaction(service.engine) as session:
            users.replace_hash(session, user_id, old, new)
    except Exception as error:
        logger.warning(
            "a password could not be hashed again with the present parameters",
            extra={"reason": str(error) or type(error).__name__},
        )
