"""The table of outcomes, partitioned like predictions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from data_api.models.base import Base, Utc


class Outcome(Base):
    """What came true. There is no foreign key, because an outcome may arrive while its prediction waits in an outbox."""

    __tablename__ = "outcomes"
    __table_args__ = ({"postgresql_partition_by": "RANGE (prediction_id)"},)

    prediction_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    outcome: Mapped[bool] = mapped_column(Boolean)
    time: Mapped[datetime] = mapped_column(Utc)
    received_at: Mapped[datetime] = mapped_column(Utc)
