"""Routes of users, for admins."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from pydantic import SecretStr

from data_api.app_state import AppState
from data_api.crud import api_keys, users
from data_api.dependencies import AdminReads, AdminWrites, Anyone, KnownAdmin, ReadSession, ServiceDep, WriteSession
from data_api.schemas.types import RowIdInAddress, now
from data_api.schemas.users import UserCreate, UserList, UserRead, UserUpdate

UserId = Annotated[RowIdInAddress, Path()]
router = APIRouter(tags=["users"])


def _hash_new(new: UserCreate, service: ServiceDep, _caller: KnownAdmin) -> tuple[UserCreate, str | None]:
    return new, _hash(service, new.password)


def _hash_changed(changes: UserUpdate, service: ServiceDep, _caller: KnownAdmin) -> tuple[UserUpdate, str | None]:
    return changes, _hash(service, changes.password)


def _hash(service: AppState, password: SecretStr | None) -> str | None:
    """The hash of a password, computed before a transaction begins: it is slow, and SQLite has one writer at a time."""
    return None if password is None else service.passwords.hash(password.get_secret_value())


@router.get("/users", summary="List the users")
def list_all(session: ReadSession, caller: AdminReads) -> UserList:
    """All users, ordered by name."""
    return UserList(users=[UserRead.model_validate(user) for user in users.list_all(session)])


@router.post("/users", status_code=201, summary="Create a user", responses={409: {}})
def create(
    new_and_hash: Annotated[tuple[UserCreate, str | None], Depends(_hash_new)],
    response: Response,
    session: WriteSession,
    caller: AdminWrites,
) -> UserRead:
    """A person needs a password to log in; a service needs a key instead."""
    new, password_hash = new_and_hash
    user = users.create(session, new.name, new.role, password_hash, now())
    response.headers["location"] = f"/users/{user.user_id}"
    return UserRead.model_validate(user)


@router.get("/me", summary="Get the user who calls")
def get_me(caller: Anyone) -> UserRead:
    """The user to whom the key or token belongs."""
    return UserRead.model_validate(caller)


@router.get("/users/{user_id}", summary="Get a user", responses={404: {}})
def get(user_id: UserId, session: ReadSession, caller: AdminReads) -> UserRead:
    """The name and the role of a user."""
    return UserRead.model_validate(users.get(session, user_id))


@router.patch("/users/{user_id}", summary="Change a user's role or password", responses={404: {}, 409: {}})
def update(
    user_id: UserId,
    changes_and_hash: Annotated[tuple[UserUpdate, str | None], Depends(_hash_changed)],
    session: WriteSession,
    caller: AdminWrites,
) -> UserRead:
    """Earlier tokens become invalid, keys stay valid. The last admin must stay an admin (409)."""
    changes, password_hash = changes_and_hash
    user = users.get(session, user_id)
    users.update(session, user, changes.role, password_hash, now())
    return UserRead.model_validate(user)


@router.delete("/users/{user_id}", status_code=204, summary="Delete a user", responses={404: {}, 409: {}})
def delete(user_id: UserId, session: WriteSession, caller: AdminWrites) -> None:
    """Also deletes the keys of the user. The last admin cannot be deleted (409)."""
    user = users.get(session, user_id)
    api_keys.retire_keys_of(session, user.user_id, now())
    users.delete(session, user)
