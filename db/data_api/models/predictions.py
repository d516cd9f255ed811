"""The table of predictions. PostgreSQL has a partition for each month of their ids."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, Boolean, Double, Index, String, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from data_api.models.base import Base, Utc

OF_SUBJECTS = text("subject IS NOT NULL")


class Prediction(Base):
    """One prediction. Its id is a UUID of version 7, so that the primary key is ordered by time.

    A prediction with a ``subject`` is about a row of a source table as of the moment ``as_of``, computed from the event log
    up to ``log_position``. Each subject has one ``official`` prediction, whose id has the milliseconds of that moment; the
    others are not scored.

    ``features`` and ``warnings`` are JSON and not JSONB, because JSONB refuses NUL, which a category may contain.
    """

    __tablename__ = "predictions"
    __table_args__ = (
        Index(None, "model_version", "prediction_id"),
        Index(None, "label", "prediction_id"),
        Index(None, "subject", postgresql_using="hash", postgresql_where=OF_SUBJECTS, sqlite_where=OF_SUBJECTS),
        Index(None, "official", "prediction_id", postgresql_where=OF_SUBJECTS, sqlite_where=OF_SUBJECTS),
        {"postgresql_partition_by": "RANGE (prediction_id)"},
    )

    prediction_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    time: Mapped[datetime] = mapped_column(Utc)
    model_name: Mapped[str] = mapped_column(String(200))
    model_version: Mapped[str] = mapped_column(String(200))
    probability: Mapped[float] = mapped_column(Double)
    label: Mapped[bool] = mapped_column(Boolean)
    threshold: Mapped[float] = mapped_column(Double)
    caller: Mapped[str | None] = mapped_column(String(200))
    warnings: Mapped[list[Any]] = mapped_column(JSON)
    features: Mapped[dict[str, Any]] = mapped_column(JSON)
    subject: Mapped[str | None] = mapped_column(String(1000))
    as_of: Mapped[datetime | None] = mapped_column(Utc)
    log_position: Mapped[int | None] = mapped_column(BigInteger)
    official: Mapped[bool | None] = mapped_column(Boolean)
    received_at: Mapped[datetime] = mapped_column(Utc)
