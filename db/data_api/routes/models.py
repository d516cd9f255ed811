"""Routes of models: services report the reference distributions of their model."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path

from data_api.crud import models
from data_api.dependencies import Writer, WriteSession
from data_api.http.no_query import NO_QUERY
from data_api.http.openapi_responses import refusals
from data_api.schemas.models import ModelCreate, ModelRead
from data_api.schemas.types import Text

router = APIRouter(tags=["models"], dependencies=[NO_QUERY])


@router.put(
    "/models/{model_version}",
    summary="Store the reference distributions of a model",
    responses=refusals(400, 401, 403, 413, 415, 422),
)
def upsert(model_version: Annotated[Text, Path()], model: ModelCreate, session: WriteSession, caller: Writer) -> ModelRead:
    """Drift is measured against them. A version has one reference; a later request replaces it."""
    models.upsert(session, model_version, model.model_name, model.reference.model_dump(), datetime.now(UTC))
    return ModelRead(model_version=model_version, **model.model_dump())
