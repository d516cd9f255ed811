"""Queries of deployments."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from data_api.database.engine import dialect_insert
from data_api.database.uuid7 import EPOCH
from data_api.errors import ContentDiffers, Difference
from data_api.models import Deployment
from data_api.schemas.queries import DeploymentQuery

SILENCE = timedelta(minutes=1)  # a process that answers reports its deployment every 15 seconds
MOVING = ("last_seen_at", "ended_at")


def upsert(session: Session, deployment_id: UUID, content: dict[str, Any]) -> tuple[Deployment, bool]:
    """The stored deployment, and whether it is new; ``last_seen_at`` and ``ended_at`` only move forward.

    Raises ContentDiffers if anything else differs from what is stored.
    """
    insert = dialect_insert(session, Deployment).values(deployment_id=deployment_id, **content)
    inserted = session.execute(insert.on_conflict_do_nothing().returning(Deployment.deployment_id)).all()
    stored = session.scalars(select(Deployment).where(Deployment.deployment_id == deployment_id).with_for_update()).one()
    if fields := [name for name, value in content.items() if name not in MOVING and getattr(stored, name) != value]:
        raise ContentDiffers("Deployment", [Difference("", deployment_id, fields)])
    if content["ended_at"] is not None:
        stored.ended_at = max(stored.ended_at or content["ended_at"], content["ended_at"])
    stored.last_seen_at = max(stored.last_seen_at, min(content["last_seen_at"], stored.ended_at or content["last_seen_at"]))
    session.flush()
    return stored, bool(inserted)


def list_page(session: Session, query: DeploymentQuery) -> Sequence[Deployment]:
    """The deployments of a page, the newest first, and one more if there is a next page."""
    statement = select(Deployment).order_by(Deployment.deployment_id.desc()).limit(query.limit + 1)
    if query.cursor is not None:
        statement = statement.where(Deployment.deployment_id < query.cursor)
    last = func.coalesce(Deployment.ended_at, Deployment.last_seen_at)
    if query.at is not None:
        alive = or_(
            Deployment.ended_at.is_(None) & (Deployment.last_seen_at >= max(query.at, EPOCH + SILENCE) - SILENCE),
            last >= query.at,
        )
        statement = statement.where(Deployment.started_at <= query.at, alive)
    if query.since is not None:
        statement = statement.where(last >= query.since)
    if query.until is not None:
        statement = statement.where(Deployment.started_at < query.until)
    if query.model_version is not None:
        statement = statement.where(Deployment.model_version == query.model_version)
    return session.scalars(statement).all()
