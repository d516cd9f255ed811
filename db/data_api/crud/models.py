"""Queries of models."""

from datetime import datetime
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from data_api.models import Model


def put(session: Session, version: str, name: str, reference: dict[str, Any], now: datetime) -> None:
    """Stores what a model was trained on; the newest replaces the one before."""
    kind = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    content = {"model_name": name, "reference": reference, "updated_at": now}
    insert = kind.insert(Model).values(model_version=version, **content)
    session.execute(insert.on_conflict_do_update(index_elements=[Model.model_version], set_=content))
