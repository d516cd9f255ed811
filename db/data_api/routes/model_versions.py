"""Route of model versions: services report the reference distributions of their model."""

from typing import Annotated

from fastapi import APIRouter, Path

from data_api.crud import model_versions
from data_api.dependencies import Writer, WriteSession
from data_api.schemas.model_versions import ModelVersionCreate, ModelVersionRead
from data_api.schemas.types import Text, now

router = APIRouter(tags=["models"])


@router.put("/models/{model_version}", summary="Store the reference distributions of a model")
def upsert(
    model_version: Annotated[Text, Path()], model: ModelVersionCreate, session: WriteSession, caller: Writer
) -> ModelVersionRead:
    """Drift is measured against these distributions. A version has one reference; a later request replaces it."""
    model_versions.upsert(session, model_version, model.model_dump(), now())
    return ModelVersionRead(model_version=model_version, **model.model_dump())
