"""The table of model versions, with the reference distributions that drift is measured against."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from data_api.models.base import Base, Utc


class ModelVersion(Base):
    """A version of a model as it was last reported. ``reference`` is JSON, not JSONB, because categories may contain NUL."""

    __tablename__ = "models"

    model_version: Mapped[str] = mapped_column(String(200), primary_key=True)
    model_name: Mapped[str] = mapped_column(String(200))
    question: Mapped[str | None] = mapped_column(String(1000))  # what it predicts; None if the service did not report it
    reference: Mapped[dict[str, Any]] = mapped_column(JSON)
    tables: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # the source tables whose events it is computed from
    updated_at: Mapped[datetime] = mapped_column(Utc)
