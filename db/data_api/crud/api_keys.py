"""Queries of API keys."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import insert, literal, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from data_api.database.engine import is_duplicate
from data_api.errors import NameTaken
from data_api.models import ApiKey, RetiredKey, User
from data_api.models.base import Utc


def by_id(session: Session, api_key_id: int) -> ApiKey | None:
    """A key, or None."""
    return session.get(ApiKey, api_key_id)


def by_digest(session: Session, digest: str) -> ApiKey | None:
    """A key, revoked or not, or None."""
    return session.scalars(select(ApiKey).where(ApiKey.digest == digest)).one_or_none()


def with_user(session: Session, digest: str) -> tuple[int, User] | None:
    """The id and the user of a key that is not revoked, or None."""
    found = session.execute(
        select(ApiKey.api_key_id, User)
        .join(User, User.user_id == ApiKey.user_id)
        .where(ApiKey.digest == digest, ApiKey.revoked_at.is_(None))
    ).one_or_none()
    return (found[0], found[1]) if found else None


def list_all(session: Session, user_id: int | None = None) -> Sequence[ApiKey]:
    """All keys, or those of one user, in the order in which they were made."""
    asked = select(ApiKey).order_by(ApiKey.api_key_id)
    return session.scalars(asked if user_id is None else asked.where(ApiKey.user_id == user_id)).all()


def create(session: Session, user_id: int, name: str, digest: str, now: datetime) -> ApiKey:
    """A new key; raises NameTaken where the user has one of this name."""
    key = ApiKey(user_id=user_id, name=name, digest=digest, created_at=now)
    session.add(key)
    _flush(session, name)
    return key


def rename(session: Session, key: ApiKey, name: str) -> None:
    """Gives a key another name; raises NameTaken."""
    key.name = name
    _flush(session, name)


def revoke(session: Session, key: ApiKey, now: datetime) -> None:
    """Ends a key, for ever; the first time counts."""
    key.revoked_at = key.revoked_at or now
    session.flush()


def note_uses(session: Session, uses: Mapping[int, datetime]) -> None:
    """Writes when keys were used last, never back in time."""
    for api_key_id, used_at in sorted(uses.items()):
        later = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < used_at)
        session.execute(update(ApiKey).where(ApiKey.api_key_id == api_key_id, later).values(last_used_at=used_at))


def retire(session: Session, user_id: int, now: datetime) -> None:
    """Remembers the keys of a user who is about to be removed, and the keys with them."""
    theirs = select(ApiKey.digest, literal(now, Utc)).where(ApiKey.user_id == user_id)
    session.execute(insert(RetiredKey).from_select(["digest", "retired_at"], theirs))


def retired(session: Session, digest: str) -> bool:
    """Whether a key went with its user."""
    return session.get(RetiredKey, digest) is not None


def _flush(session: Session, name: str) -> None:
    try:
        session.flush()
    except IntegrityError as error:
        if not is_duplicate(error):
            raise
        raise NameTaken(f"The user has a key {name!r} already, perhaps a revoked one.") from error
