"""Who calls, and whether they may: a key in X-API-Key, or a token of POST /token."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, OAuth2PasswordBearer
from sqlalchemy.orm import Session

from data_api.app_state import AppState
from data_api.auth.tokens import Token
from data_api.crud import api_keys
from data_api.database.engine import transaction
from data_api.errors import DatabaseUnavailable, StatementTooLong
from data_api.models import Role, User
from service_kit.api_keys import HEADER, digest
from service_kit.problems import ProblemError

WANTED = "Send an API key in X-API-Key, or a token of POST /token as Authorization: Bearer."
CHALLENGE = {"www-authenticate": 'Bearer realm="ontime"'}
KEY = APIKeyHeader(name=HEADER, scheme_name="ApiKey", auto_error=False)
TOKEN = OAuth2PasswordBearer(tokenUrl="token", scheme_name="Token", auto_error=False)


def service_of(request: Request) -> AppState:
    """The service that answers."""
    service: AppState = request.app.state.service
    return service


ServiceDep = Annotated[AppState, Depends(service_of)]


def reads(service: ServiceDep) -> Iterator[Session]:
    """The transaction of a request that only reads."""
    yield from _transaction(service, reads=True)


def writes(service: ServiceDep) -> Iterator[Session]:
    """The transaction of a request that writes; it is committed before the answer leaves."""
    yield from _transaction(service, reads=False)


def _transaction(service: AppState, reads: bool) -> Iterator[Session]:
    if (failure := service.failure) is not None:  # another thread may set it to None meanwhile
        raise type(failure)(str(failure))  # each request raises an error of its own
    with transaction(service.engine, reads) as session:
        yield session


@contextmanager
def reading(service: AppState) -> Iterator[Session]:
    """A short transaction that looks up who calls, before what takes long. No caller can make this query smaller."""
    try:
        yield from _transaction(service, reads=True)
    except StatementTooLong as error:
        raise DatabaseUnavailable("the database is slow to say who calls") from error


ReadSession = Annotated[Session, Depends(reads, scope="function")]
WriteSession = Annotated[Session, Depends(writes, scope="function")]


async def credentials(
    service: ServiceDep, key: Annotated[str | None, Depends(KEY)], token: Annotated[str | None, Depends(TOKEN)]
) -> str | Token:
    """The digest of the key, or the content of the token, that a request shows.

    Raises ProblemError (401) if the request has none, before the database or the body is read.
    """
    if key:
        return digest(key)
    if not token:
        raise ProblemError(401, f"The request does not say who sent it. {WANTED}", headers=CHALLENGE)
    return service.tokens.read(token) or _refuse("token")


Credentials = Annotated[str | Token, Depends(credentials)]


def _refuse(what: str) -> NoReturn:
    raise ProblemError(401, f"The {what} is unknown, revoked or too old. {WANTED}", headers=CHALLENGE)


def _user_of(session: Session, service: AppState, shown: str | Token) -> User:
    """The user whom credentials belong to; raises ProblemError (401) if they are not valid any more."""
    if isinstance(shown, Token):
        user = session.get(User, shown.user_id)
        return user if user and shown.issued >= user.tokens_valid_after else _refuse("token")
    api_key_id, user = api_keys.get_valid_with_user(session, shown) or _refuse("key")
    service.key_uses[api_key_id] = datetime.now(UTC)
    return user


def _authorize(session: Session, request: Request, shown: str | Token, roles: tuple[Role, ...]) -> User:
    """The user who calls; raises ProblemError: 401 for a stranger, 403 for another role."""
    user = _user_of(session, service_of(request), shown)
    request.state.caller = user.name
    if user.role not in roles:
        raise ProblemError(403, f"This wants the role {' or '.join(roles)}; {user.name} has the role {user.role}.")
    return user


def _require(transaction_of: Callable[..., Iterator[Session]], *roles: Role) -> Any:
    """The caller, looked up in the transaction of the request."""

    def caller(
        request: Request, shown: Credentials, session: Annotated[Session, Depends(transaction_of, scope="function")]
    ) -> User:
        return _authorize(session, request, shown, roles)

    return Depends(caller, scope="function")


def _require_before(*roles: Role) -> Any:
    """The caller, looked up before their request begins its transaction, which looks again."""

    def caller(request: Request, service: ServiceDep, shown: Credentials) -> User:
        with reading(service) as session:
            return _authorize(session, request, shown, roles)

    return Depends(caller)


KnownWriter = Annotated[User, _require_before(Role.SERVICE)]
Follower = Annotated[User, _require_before(Role.SERVICE, Role.READER, Role.ADMIN)]
KnownAdmin = Annotated[User, _require_before(Role.ADMIN)]
Anyone = Annotated[User, _require(reads, *Role)]
Reader = Annotated[User, _require(reads, Role.READER, Role.ADMIN)]
Writer = Annotated[User, _require(writes, Role.SERVICE)]
AdminReads = Annotated[User, _require(reads, Role.ADMIN)]
AdminWrites = Annotated[User, _require(writes, Role.ADMIN)]
