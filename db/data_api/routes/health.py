"""Routes of liveness, readiness and metrics."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from data_api.app_state import AppState
from data_api.database import migrations_runner
from data_api.dependencies import ServiceDep

router = APIRouter(tags=["health"])
READY: dict[int | str, dict[str, Any]] = {
    503: {"description": "The service is not ready", "content": {"application/json": {"schema": {"type": "object"}}}}
}


@router.get("/healthz", summary="Check that the process is alive")
async def healthz() -> dict[str, str]:
    """Answers as long as the process can answer at all."""
    return {"status": "alive"}


@router.get("/readyz", summary="Check that the service is ready", responses=READY)
async def readyz(service: ServiceDep) -> Response:
    """The state of the database and of its migrations a moment ago; 503 if the service cannot answer requests."""
    checks = _checks(service)
    ready = all(check["ok"] for check in checks.values())
    return JSONResponse({"status": "ready" if ready else "not ready", "checks": checks}, 200 if ready else 503)


@router.get("/metrics", summary="Get the metrics for Prometheus", response_class=Response)
async def metrics(service: ServiceDep) -> Response:
    """All metrics, as text."""
    return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _checks(service: AppState) -> dict[str, Any]:
    head, seen = migrations_runner.head(), service.seen
    return {
        "database": {"ok": seen.answers == "ok", "answers": seen.answers},
        "migrations": {"ok": seen.revision == head, "wanted": head, "found": seen.revision},
    }
