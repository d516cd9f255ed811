"""The table of keys that were deleted with their user, so that a setting that still holds one cannot create it again."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from data_api.models.base import Base, Utc


class RetiredKey(Base):
    """The digest of a key that may not be created again."""

    __tablename__ = "retired_keys"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    retired_at: Mapped[datetime] = mapped_column(Utc)
