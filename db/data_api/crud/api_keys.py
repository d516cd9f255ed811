"""Queries of API keys."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Row, insert, literal, or_, select, update
from sqlalchemy.orm import Session

from data_api.database.engine import flush_unique
from data_api.models import ApiKey, RetiredKey, User
from data_api.models.base import Utc
from service_kit.problems import ProblemError

NAME_TAKEN = "The user has a key {name!r} already, perhaps a revoked one."


def get(session: Session, api_key_id: int) -> ApiKey:
    """The key with an id; raises ProblemError (404)."""
    key = session.get(ApiKey, api_key_id)
    if key is None:
        raise ProblemError(404, f"There is no key {api_key_id}.")
    return key


def get_by_digest(session: Session, digest: str) -> ApiKey | None:
    """The key with a digest, revoked or not, or None."""
    return session.scalars(select(ApiKey).where(ApiKey.digest == digest)).one_or_none()


def get_valid_with_user(session: Session, digest: str) -> Row[int, User] | None:
    """The id and the user of a key that is not revoked, or None."""
    owned = select(ApiKey.api_key_id, User).join(User, User.user_id == ApiKey.user_id)
    return session.execute(owned.where(ApiKey.digest == digest, ApiKey.revoked_at.is_(None))).one_or_none()


def list_all(session: Session, user_id: int | None = None) -> Sequence[ApiKey]:
    """All keys, or those of one user, the oldest first."""
    statement = select(ApiKey).order_by(ApiKey.api_key_id)
    return session.scalars(statement if user_id is None else statement.where(ApiKey.user_id == user_id)).all()


def create(session: Session, user_id: int, name: str, digest: str, now: datetime) -> ApiKey:
    """A new key; raises ProblemError (409) if the user has a key of this name."""
    key = ApiKey(user_id=user_id, name=name, digest=digest, created_at=now)
    session.add(key)
    flush_unique(session, NAME_TAKEN.format(name=name))
    return key


def rename(session: Session, key: ApiKey, name: str) -> None:
    """Gives a key another name; raises ProblemError (409)."""
    key.name = name
    flush_unique(session, NAME_TAKEN.format(name=name))


def revoke(session: Session, key: ApiKey, now: datetime) -> None:
    """Revokes a key for good; if it is revoked already, the earlier time stays."""
    key.revoked_at = key.revoked_at or now
    session.flush()


def record_uses(session: Session, uses: Mapping[int, datetime]) -> None:
    """Stores when each key was last used, unless a later time is stored."""
    for api_key_id, used_at in sorted(uses.items()):
        is_later = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < used_at)
        session.execute(update(ApiKey).where(ApiKey.api_key_id == api_key_id, is_later).values(last_used_at=used_at))


def retire_keys_of(session: Session, user_id: int, now: datetime) -> None:
    """Stores the digests of a user's keys, before the user and the keys are deleted."""
    digests = select(ApiKey.digest, literal(now, Utc)).where(ApiKey.user_id == user_id)
    session.execute(insert(RetiredKey).from_select(["digest", "retired_at"], digests))
