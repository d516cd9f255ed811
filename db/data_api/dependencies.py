"""Who calls, and whether they may: a key in X-API-Key, or a token of POST /token."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, OAuth2PasswordBearer
from sqlalchemy.orm import Session

from data_api.app_state import AppState
from data_api.auth.tokens import Token
from data_api.crud import api_keys, users
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
    if service.failure is not None:
        raise DatabaseUnavailable(service.failure)
    with transaction(service.engine, reads) as session:
        yield session


@contextmanager
def reading(service: AppState) -> Iterator[Session]:
    """A short transaction that looks up who calls, before what takes long; nobody can ask for less of that."""
    try:
        yield from _transaction(service, reads=True)
    except StatementTooLong as error:
        raise DatabaseUnavailable("the database is slow to say who calls") from error


ReadSession = Annotated[Session, Depends(reads, scope="function")]
WriteSession = Annotated[Session, Depends(writes, scope="function")]


@dataclass(frozen=True)
class Credentials:
    """What a request shows of who sent it: the digest of a key, or what a token says."""

    digest: str | None = None
    token: Token | None = None


async def credentials(
    service: ServiceDep, key: Annotated[str | None, Depends(KEY)], token: Annotated[str | None, Depends(TOKEN)]
) -> Credentials:
    """Raises ProblemError (401) if the request has none, before the database or the body is read."""
    if key:
        return Credentials(digest=digest(key))
    if not token:
        raise ProblemError(401, f"The request does not say who sent it. {WANTED}", headers=CHALLENGE)
    if (found := service.tokens.read(token)) is None:
        raise _unknown("token")
    return Credentials(token=found)


Shown = Annotated[Credentials, Depends(credentials)]


def user_of(session: Session, service: AppState, shown: Credentials) -> User:
    """The user whom credentials belong to; raises ProblemError (401) where they count no more."""
    if shown.token:
        user = users.get_by_id(session, shown.token.user_id)
        if user is None or shown.token.issued < user.tokens_valid_after:
            raise _unknown("token")
        return user
    key_and_user = api_keys.get_valid_with_user(session, shown.digest or "")
    if key_and_user is None:
        raise _unknown("key")
    api_key_id, user = key_and_user
    service.uses.note(api_key_id, datetime.now(UTC))
    return user


def _unknown(what: str) -> ProblemError:
    return ProblemError(401, f"The {what} is unknown, revoked or too old. {WANTED}", headers=CHALLENGE)


def _allowed(request: Request, service: AppState, shown: Credentials, session: Session, roles: tuple[Role, ...]) -> User:
    user = user_of(session, service, shown)
    request.state.caller = user.name
    if user.role not in roles:
        wanted = " or ".join(roles)
        raise ProblemError(403, f"This wants the role {wanted}; {user.name} has the role {user.role}.")
    return user


def _reading(*roles: Role) -> Any:
    def caller(request: Request, service: ServiceDep, shown: Shown, session: ReadSession) -> User:
        return _allowed(request, service, shown, session, roles)

    return Depends(caller, scope="function")


def _writing(*roles: Role) -> Any:
    def caller(request: Request, service: ServiceDep, shown: Shown, session: WriteSession) -> User:
        return _allowed(request, service, shown, session, roles)

    return Depends(caller, scope="function")


def _known(*roles: Role) -> Any:
    """Looks a caller up before their request begins its transaction, which looks again."""

    def caller(request: Request, service: ServiceDep, shown: Shown) -> User:
        with reading(service) as session:
            return _allowed(request, service, shown, session, roles)

    return Depends(caller)


KnownWriter = Annotated[User, _known(Role.SERVICE)]
KnownAdmin = Annotated[User, _known(Role.ADMIN)]
Anyone = Annotated[User, _reading(*Role)]
Reader = Annotated[User, _reading(Role.READER, Role.ADMIN)]
Writer = Annotated[User, _writing(Role.SERVICE)]
AdminReads = Annotated[User, _reading(Role.ADMIN)]
AdminWrites = Annotated[User, _writing(Role.ADMIN)]
