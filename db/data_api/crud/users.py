"""Queries of users."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy import update as update_statement
from sqlalchemy.orm import Session

from data_api.database import advisory_lock
from data_api.models import Role, User
from service_kit.problems import ProblemError


def get(session: Session, user_id: int) -> User:
    """The user with an id; raises ProblemError (404)."""
    user = session.get(User, user_id)
    if user is None:
        raise ProblemError(404, f"There is no user {user_id}.")
    return user


def get_by_name(session: Session, name: str) -> User | None:
    """The user with a name, or None."""
    return session.scalars(select(User).where(User.name == name)).one_or_none()


def list_all(session: Session) -> Sequence[User]:
    """All users, by name."""
    return session.scalars(select(User).order_by(User.name)).all()


def list_admins(session: Session) -> Sequence[User]:
    """All admins, the oldest account first."""
    return session.scalars(select(User).where(User.role == Role.ADMIN).order_by(User.user_id)).all()


def get_like(session: Session, name: str) -> User | None:
    """A user whose name is the same but for upper and lower case, or None."""
    return session.scalars(select(User).where(func.lower(User.name) == name.lower()).limit(1)).one_or_none()


def create(session: Session, name: str, role: Role, password_hash: str | None, now: datetime) -> User:
    """A new user; raises ProblemError (409) if somebody has this name, be it in upper or lower case."""
    advisory_lock.acquire(session)
    if existing := get_like(session, name):
        raise ProblemError(409, f"There is a user {existing.name!r} already; upper and lower case make no other name.")
    user = User(name=name, role=role, password_hash=password_hash, created_at=now, tokens_valid_after=now)
    session.add(user)
    session.flush()
    return user


def update(session: Session, user: User, role: Role | None, password_hash: str | None, now: datetime) -> None:
    """Sets what is not None, and invalidates earlier tokens; raises ProblemError (409) for the role of the last admin."""
    if role is not None and role != user.role:
        if user.role == Role.ADMIN:
            _refuse_last_admin(session)
        user.role = role
    if password_hash is not None:
        user.password_hash = password_hash
    user.tokens_valid_after = now
    session.flush()


def replace_hash(session: Session, user_id: int, old: str, new: str) -> None:
    """Stores the same password under better parameters, unless the password has changed meanwhile; tokens stay valid."""
    session.execute(
        update_statement(User).where(User.user_id == user_id, User.password_hash == old).values(password_hash=new)
    )


def delete(session: Session, user: User) -> None:
    """Deletes a user with their keys; raises ProblemError (409) for the last admin."""
    if user.role == Role.ADMIN:
        _refuse_last_admin(session)
    session.delete(user)
    session.flush()


def _refuse_last_admin(session: Session) -> None:
    """Raises ProblemError (409) if there is only one; locks the admins, so that two of them cannot remove each other."""
    admins = select(User.user_id).where(User.role == Role.ADMIN).order_by(User.user_id).with_for_update()
    if len(session.scalars(admins).all()) < 2:
        raise ProblemError(409, "This is the last admin. Make another one first.")
