"""Users: managed by admins."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from pydantic import SecretStr
from sqlalchemy.orm import Session

from data_api.app_state import AppState
from data_api.crud import api_keys, users
from data_api.dependencies import AdminReads, AdminWrites, Anyone, KnownAdmin, ReadSession, ServiceDep, WriteSession
from data_api.http.no_query import NO_QUERY
from data_api.http.openapi_responses import refusals
from data_api.models import User
from data_api.schemas.types import now
from data_api.schemas.users import UserCreate, UserList, UserRead, UserUpdate
from service_kit.problems import ProblemError

UserId = Annotated[int, Path(ge=1, le=2**31 - 1)]
router = APIRouter(tags=["users"], dependencies=[NO_QUERY])


def _new(new: UserCreate, service: ServiceDep, _caller: KnownAdmin) -> tuple[UserCreate, str | None]:
    return new, _hashed(service, new.password)


def _changed(changed: UserUpdate, service: ServiceDep, _caller: KnownAdmin) -> tuple[UserUpdate, str | None]:
    return changed, _hashed(service, changed.password)


def _hashed(service: AppState, password: SecretStr | None) -> str | None:
    """The hash of a password, made before a transaction begins: it takes long, and SQLite lets one write at a time."""
    return None if password is None else service.passwords.hash(password.get_secret_value())


@router.get("/users", summary="All users", responses=refusals(401, 403))
def list_all(session: ReadSession, caller: AdminReads) -> UserList:
    """By name."""
    return UserList(users=[UserRead.model_validate(user) for user in users.list_all(session)])


@router.post("/users", status_code=201, summary="Make a user", responses=refusals(400, 401, 403, 409, 413, 415, 422))
def create(
    asked: Annotated[tuple[UserCreate, str | None], Depends(_new)],
    response: Response,
    session: WriteSession,
    caller: AdminWrites,
) -> UserRead:
    """A person needs a password to log in; a service needs a key instead."""
    new, password_hash = asked
    user = users.create(session, new.name, new.role, password_hash, now())
    response.headers["location"] = f"/users/{user.user_id}"
    return UserRead.model_validate(user)


@router.get("/me", summary="Who I am", responses=refusals(401))
def me(caller: Anyone) -> UserRead:
    """The user of the key or token."""
    return UserRead.model_validate(caller)


@router.get("/users/{user_id}", summary="One user", responses=refusals(401, 403, 404, 422))
def one(user_id: UserId, session: ReadSession, caller: AdminReads) -> UserRead:
    """Their name and role."""
    return UserRead.model_validate(_found(session, user_id))


@router.patch(
    "/users/{user_id}",
    summary="Change a user's role or password",
    responses=refusals(400, 401, 403, 404, 409, 413, 415, 422),
)
def change(
    user_id: UserId,
    asked: Annotated[tuple[UserUpdate, str | None], Depends(_changed)],
    session: WriteSession,
    caller: AdminWrites,
) -> UserRead:
    """Their tokens count no more; their keys do. The last admin stays one (409)."""
    changed, password_hash = asked
    user = _found(session, user_id)
    users.change(session, user, changed.role, password_hash, now())
    return UserRead.model_validate(user)


@router.delete("/users/{user_id}", status_code=204, summary="Remove a user", responses=refusals(401, 403, 404, 409, 422))
def delete(user_id: UserId, session: WriteSession, caller: AdminWrites) -> None:
    """With their keys. The last admin cannot be removed (409)."""
    user = _found(session, user_id)
    api_keys.retire(session, user.user_id, now())
    users.delete(session, user)


def _found(session: Session, user_id: int) -> User:
    user = users.by_id(session, user_id)
    if user is None:
        raise ProblemError(404, f"There is no user {user_id}.")
    return user
