"""Queries of deployments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from data_api.database.uuid7 import EPOCH
from data_api.errors import ContentDiffers, Difference
from data_api.models import Deployment

SILENCE = timedelta(minutes=1)  # a process that answers says so every 15 seconds
MOVING = ("last_seen_at", "ended_at")


@dataclass(frozen=True)
class Filter:
    """Which deployments: those that answered at a moment, or at some time in a window, or of a model version."""

    at: datetime | None = None
    since: datetime | None = None
    until: datetime | None = None
    model_version: str | None = None


def put(session: Session, deployment_id: UUID, content: dict[str, Any]) -> tuple[Deployment, bool]:
    """Stores a deployment, or moves its ``last_seen_at`` and ``ended_at`` forward, and says whether it is new.

    Raises ContentDiffers where the rest is not as it was.
    """
    kind = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    row = {"deployment_id": deployment_id, **content}
    new = session.execute(
        kind.insert(Deployment).values(row).on_conflict_do_nothing().returning(Deployment.deployment_id)
    ).all()
    stored = session.scalars(select(Deployment).where(Deployment.deployment_id == deployment_id).with_for_update()).one()
    if fields := [name for name, value in content.items() if name not in MOVING and getattr(stored, name) != value]:
        raise ContentDiffers("deployment", [Difference("", deployment_id, fields)])
    if content["ended_at"] is not None:
        stored.ended_at = max(stored.ended_at or content["ended_at"], content["ended_at"])
    stored.last_seen_at = max(stored.last_seen_at, min(content["last_seen_at"], stored.ended_at or content["last_seen_at"]))
    session.flush()
    return stored, bool(new)


def page(session: Session, wanted: Filter, after: UUID | None, limit: int) -> Sequence[Deployment]:
    """Up to ``limit`` deployments beyond the id ``after``, the newest first."""
    asked = select(Deployment).order_by(Deployment.deployment_id.desc()).limit(limit)
    if after is not None:
        asked = asked.where(Deployment.deployment_id < after)
    last = func.coalesce(Deployment.ended_at, Deployment.last_seen_at)
    if wanted.at is not None:
        alive = or_(
            Deployment.ended_at.is_(None) & (Deployment.last_seen_at >= max(wanted.at, EPOCH + SILENCE) - SILENCE),
            last >= wanted.at,
        )
        asked = asked.where(Deployment.started_at <= wanted.at, alive)
    if wanted.since is not None:
        asked = asked.where(last >= wanted.since)
    if wanted.until is not None:
        asked = asked.where(Deployment.started_at < wanted.until)
    if wanted.model_version is not None:
        asked = asked.where(Deployment.model_version == wanted.model_version)
    return session.scalars(asked).all()
