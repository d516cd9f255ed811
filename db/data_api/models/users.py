"""The table of users: people who log in, and services that have keys."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Enum, String
from sqlalchemy.orm import Mapped, mapped_column

from data_api.models.base import Base, Utc


class Role(StrEnum):
    """Permissions: an admin manages users and keys and reads, a service writes predictions and outcomes, a reader reads."""

    ADMIN = "admin"
    SERVICE = "service"
    READER = "reader"


class User(Base):
    """A caller of the API. A user without a password cannot log in, but may have keys."""

    __tablename__ = "users"
    __table_args__ = ({"sqlite_autoincrement": True},)  # no id is given twice

    user_id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(255))
    role: Mapped[Role] = mapped_column(
        Enum(
            Role,
            native_enum=False,
            create_constraint=True,
            values_callable=lambda roles: [role.value for role in roles],
            length=16,
        )
    )
    created_at: Mapped[datetime] = mapped_column(Utc)
    # Tokens issued before are refused, because the password or the role has changed since.
    tokens_valid_after: Mapped[datetime] = mapped_column(Utc)
