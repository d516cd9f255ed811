"""Queries of users."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from data_api.database.engine import is_duplicate
from data_api.errors import LastAdmin, NameTaken
from data_api.models import Role, User


def by_id(session: Session, user_id: int) -> User | None:
    """A user, or None."""
    return session.get(User, user_id)


def by_name(session: Session, name: str) -> User | None:
    """A user, or None."""
    return session.scalars(select(User).where(User.name == name)).one_or_none()


def list_all(session: Session) -> Sequence[User]:
    """All users, by name."""
    return session.scalars(select(User).order_by(User.name)).all()


def anybody(session: Session) -> bool:
    """Whether there is a user at all."""
    return session.scalars(select(User.user_id).limit(1)).first() is not None


def admins(session: Session) -> Sequence[User]:
    """All admins, in the order in which they were made."""
    return session.scalars(select(User).where(User.role == Role.ADMIN).order_by(User.user_id)).all()


def create(session: Session, name: str, role: Role, password_hash: str | None, now: datetime) -> User:
    """A new user; raises NameTaken."""
    user = User(name=name, role=role, password_hash=password_hash, created_at=now, tokens_valid_after=now)
    session.add(user)
    try:
        session.flush()
    except IntegrityError as error:
        if not is_duplicate(error):
            raise
        raise NameTaken(f"There is a user {name!r} already.") from error
    return user


def change(session: Session, user: User, role: Role | None, password_hash: str | None, now: datetime) -> None:
    """Changes what is given; tokens issued before count no more. Raises LastAdmin."""
    if role is not None and role != user.role:
        if user.role == Role.ADMIN:
            _refuse_last_admin(session)
        user.role = role
    if password_hash is not None:
        user.password_hash = password_hash
    user.tokens_valid_after = now
    session.flush()


def rehash(session: Session, user_id: int, old: str, new: str) -> None:
    """The same password under better parameters, unless it changed meanwhile; tokens go on."""
    session.execute(update(User).where(User.user_id == user_id, User.password_hash == old).values(password_hash=new))


def delete(session: Session, user: User) -> None:
    """Removes a user with their keys; raises LastAdmin."""
    if user.role == Role.ADMIN:
        _refuse_last_admin(session)
    session.delete(user)
    session.flush()


def _refuse_last_admin(session: Session) -> None:
    """Locks the admins, so that two of them cannot remove each other."""
    if (
        len(
            session.scalars(
                select(User.user_id).where(User.role == Role.ADMIN).order_by(User.user_id).with_for_update()
            ).all()
        )
        < 2
    ):
        raise LastAdmin("This is the last admin. Make another one first.")
