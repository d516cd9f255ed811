"""The tables of API keys, by digest: keys of users, revoked ones too, and keys that were deleted with their user."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from data_api.models.base import Base, Utc


class ApiKey(Base):
    """A key with the permissions of its user."""

    __tablename__ = "api_keys"
    __table_args__ = (UniqueConstraint("user_id", "name"), {"sqlite_autoincrement": True})

    api_key_id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64), unique=True)  # SHA-256: keys are random and need no slow hash
    created_at: Mapped[datetime] = mapped_column(Utc)
    last_used_at: Mapped[datetime | None] = mapped_column(Utc)
    revoked_at: Mapped[datetime | None] = mapped_column(Utc)


class RetiredKey(Base):
    """The digest of a key that was deleted with its user; a setting that still holds the key cannot create it again."""

    __tablename__ = "retired_keys"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    retired_at: Mapped[datetime] = mapped_column(Utc)
