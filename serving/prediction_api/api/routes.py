"""The routes beside those that predict: the model, and reloading it."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute

from prediction_api.api import inference_routes
from prediction_api.api.predict_routes import BATCH, PREDICT, service_of
from prediction_api.app_state import AppState
from prediction_api.errors import PredictionApiError
from service_kit import api_keys
from service_kit.caller_keys import require_key
from service_kit.problems import ProblemError
from service_kit.request_middleware import UNLIMITED

router = APIRouter()
ServiceDep = Annotated[AppState, Depends(service_of)]


@router.get("/model", tags=["model"], summary="The model that answers")
async def model(service: ServiceDep) -> dict[str, Any]:
    """Its name and version, what it is for, the digests of its files, its metrics and schema, and where it came from."""
    loaded = service.model_manager.current
    artifact = loaded.model.artifact
    metadata, lineage = artifact.metadata, dict(loaded.lineage)
    metrics_of_run = lineage.pop("metrics", None)
    return {
        "name": loaded.model.name,
        "version": loaded.model.version,
        "sha256": dict(artifact.sha256),
        "threshold": loaded.model.threshold,
        "question": metadata.question,
        "card": metadata.card,
        "metrics": {"validation": metadata.metrics, **({"run": metrics_of_run} if metrics_of_run else {})},
        "lineage": {
            **lineage,
            "data": metadata.data,
            "parameters": metadata.parameters,
            "versions": metadata.versions,
            "loaded": datetime.fromtimestamp(loaded.loaded, UTC).isoformat(),
        },
        "schema": artifact.files["schema.json"],
    }


@router.post("/reload", tags=["model"], summary="Look for another model now")
async def reload(request: Request, service: ServiceDep) -> dict[str, Any]:
    """Fetches, checks and takes the model that MODEL_URI names now; needs an admin's key."""
    key = request.headers.get(api_keys.HEADER)
    request.state.caller = require_key(service.admins, key, "an admin's key (ADMIN_KEYS)")
    try:
        changed = await service.model_manager.reload()
    except PredictionApiError as error:
        version = service.model_manager.current.model.version
        raise ProblemError(502, f"{error} Version {version} goes on answering.") from error
    return {"changed": changed, "model_version": service.model_manager.current.model.version}


ROUTES = [route for routes in (router.routes, inference_routes.router.routes) for route in routes]
PATHS = frozenset((PREDICT, BATCH, *UNLIMITED, *(route.path for route in ROUTES if isinstance(route, APIRoute))))
