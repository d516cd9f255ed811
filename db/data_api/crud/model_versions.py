"""Queries of model versions."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from data_api.database.engine import dialect_insert
from data_api.models import ModelVersion


def upsert(session: Session, version: str, content: dict[str, Any], now: datetime) -> None:
    """Stores what a model version predicts and its reference, in place of earlier ones."""
    content = {**content, "updated_at": now}
    insert = dialect_insert(session, ModelVersion).values(model_version=version, **content)
    session.execute(insert.on_conflict_do_update(index_elements=[ModelVersion.model_version], set_=content))
