"""Users: managed by admins."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from pydantic import SecretStr
from sqlalchemy.orm import Session

from data_api.app_state import Service
from data_api.crud import api_keys, users
from data_api.dependencies import AdminReads, AdminWrites, Anyone, KnownAdmin, Reads, Serving, Writes
from data_api.http.openapi_responses import refusals
from data_api.http.problems import Refusal
from data_api.models import User
from data_api.schemas.types import now
from data_api.schemas.users import NewUser, ShownUser, ShownUsers, UserChange

UserId = Annotated[int, Path(ge=1, le=2**31 - 1)]
router = APIRouter(tags=["users"])


def _new(new: NewUser, service: Serving, _caller: KnownAdmin) -> tuple[NewUser, str | None]:
    return new, _hashed(service, new.password)


def _changed(changed: UserChange, service: Serving, _caller: KnownAdmin) -> tuple[UserChange, str | None]:
    return changed, _hashed(service, changed.password)


def _hashed(service: Service, password: SecretStr | None) -> str | None:
    """The hash of a password, made before a transaction begins: it takes long, and SQLite lets one write at a time."""
    return None if password is None else service.passwords.hash(password.get_secret_value())


@router.get("/users", summary="All users", responses=refusals(401, 403))
def every(session: Reads, caller: AdminReads) -> ShownUsers:
    """By name."""
    return ShownUsers(users=[ShownUser.model_validate(user) for user in users.every(session)])


@router.post("/users", status_code=201, summary="Make a user", responses=refusals(400, 401, 403, 409, 413, 415, 422))
def make(
    asked: Annotated[tuple[NewUser, str | None], Depends(_new)],
    response: Response,
    session: Writes,
    caller: AdminWrites,
) -> ShownUser:
    """A person needs a password to log in; a service needs a key instead."""
    new, password_hash = asked
    user = users.make(session, new.name, new.role, password_hash, now())
    response.headers["location"] = f"/users/{user.user_id}"
    return ShownUser.model_validate(user)


@router.get("/me", summary="Who I am", responses=refusals(401))
def me(caller: Anyone) -> ShownUser:
    """The user of the key or token."""
    return ShownUser.model_validate(caller)


@router.get("/users/{user_id}", summary="One user", responses=refusals(401, 403, 404, 422))
def one(user_id: UserId, session: Reads, caller: AdminReads) -> ShownUser:
    """Their name and role."""
    return ShownUser.model_validate(_found(session, user_id))


@router.patch(
    "/users/{user_id}",
    summary="Change a user's role or password",
    responses=refusals(400, 401, 403, 404, 409, 413, 415, 422),
)
def change(
    user_id: UserId,
    asked: Annotated[tuple[UserChange, str | None], Depends(_changed)],
    session: Writes,
    caller: AdminWrites,
) -> ShownUser:
    """Their tokens count no more; their keys do. The last admin stays one (409)."""
    changed, password_hash = asked
    user = _found(session, user_id)
    users.change(session, user, changed.role, password_hash, now())
    return ShownUser.model_validate(user)


@router.delete("/users/{user_id}", status_code=204, summary="Remove a user", responses=refusals(401, 403, 404, 409, 422))
def delete(user_id: UserId, session: Writes, caller: AdminWrites) -> None:
    """With their keys. The last admin cannot be removed (409)."""
    user = _found(session, user_id)
    api_keys.retire(session, user.user_id, now())
    users.delete(session, user)


def _found(session: Session, user_id: int) -> User:
    user = users.by_id(session, user_id)
    if user is None:
        raise Refusal(404, f"There is no user {user_id}.")
    return user
