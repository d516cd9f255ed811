"""The table of deployments: which model answered, on which replica, from when to when."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Index, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from data_api.models.base import Base, Utc


class Deployment(Base):
    """A model in a prediction service. ``last_seen_at`` is the last time at which it is known to have answered."""

    __tablename__ = "deployments"
    __table_args__ = (Index(None, "started_at", "deployment_id"),)

    deployment_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    replica: Mapped[str] = mapped_column(String(200))
    model_name: Mapped[str] = mapped_column(String(200))
    model_version: Mapped[str] = mapped_column(String(200))
    git_commit: Mapped[str | None] = mapped_column(String(64))
    model_uri: Mapped[str] = mapped_column(String(1000))
    sha256: Mapped[dict[str, Any]] = mapped_column(JSON)
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    started_at: Mapped[datetime] = mapped_column(Utc)
    last_seen_at: Mapped[datetime] = mapped_column(Utc)
    ended_at: Mapped[datetime | None] = mapped_column(Utc)
