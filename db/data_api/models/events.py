"""The tables of the event log: its events, partitioned by month like predictions, and the last position given."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, Index, Integer, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from data_api.models.base import Base, Utc


class Event(Base):
    """At ``known_at`` the row ``key`` of a source table took the values in ``changes``.

    The id comes from the content and begins with the time of ``known_at``, so that an event sent twice is stored once.
    """

    __tablename__ = "events"
    __table_args__ = (
        Index(None, "position"),
        Index(None, "table_name", "event_id"),
        {"postgresql_partition_by": "RANGE (event_id)"},
    )

    event_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger)
    table_name: Mapped[str] = mapped_column(String(200))
    key: Mapped[dict[str, Any]] = mapped_column(JSON)
    changes: Mapped[dict[str, Any]] = mapped_column(JSON)
    known_at: Mapped[datetime] = mapped_column(Utc)
    received_at: Mapped[datetime] = mapped_column(Utc)


class LastPosition(Base):
    """The one row that every writer of events updates, so that writers wait for each other."""

    __tablename__ = "event_positions"

    row: Mapped[int] = mapped_column(Integer, primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)
