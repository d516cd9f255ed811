"""Users: people who log in, and services that own keys."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Enum, String
from sqlalchemy.orm import Mapped, mapped_column

from data_api.models.base import Base, Utc


class Role(StrEnum):
    """What a user may do: manage users and keys and read, write predictions and outcomes, or read."""

    ADMIN = "admin"
    SERVICE = "service"
    READER = "reader"


class User(Base):
    """Someone who may call. Without a password nobody can log in as them; keys work all the same."""

    __tablename__ = "users"

    user_id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(255))
    role: Mapped[Role] = mapped_column(
        Enum(
            Role,
            native_enum=False,
            create_constraint=True,
            values_callable=lambda kind: [one.value for one in kind],
            length=16,
        )
    )
    created_at: Mapped[datetime] = mapped_column(Utc)
    # Older tokens are refused: the password or the role was changed since.
    tokens_valid_after: Mapped[datetime] = mapped_column(Utc)
