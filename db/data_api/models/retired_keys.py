"""Keys that went with their user: kept as digests, so that none of them opens again because a setting still names it."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from data_api.models.base import Base, Utc


class RetiredKey(Base):
    """A key that nobody may make again."""

    __tablename__ = "retired_keys"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    retired_at: Mapped[datetime] = mapped_column(Utc)
