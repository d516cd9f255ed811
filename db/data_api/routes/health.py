"""Whether the service is alive, has what it needs, and how it does."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from data_api.app_state import AppState
from data_api.database import migrations_runner
from data_api.dependencies import ServiceDep

router = APIRouter(tags=["health"])
READY: dict[int | str, dict[str, Any]] = {
    503: {"description": "It has not", "content": {"application/json": {"schema": {"type": "object"}}}}
}


@router.get("/healthz", summary="Whether the process is alive")
async def healthz() -> dict[str, str]:
    """Answers while the process can answer at all."""
    return {"status": "alive"}


@router.get("/readyz", summary="Whether the service has what it needs", responses=READY)
async def readyz(service: ServiceDep) -> Response:
    """The database and its migrations, each by name, of a moment ago; 503 where one of them keeps requests from answers."""
    checks = _checks(service)
    ready = all(check["ok"] for check in checks.values())
    return JSONResponse({"status": "ready" if ready else "not ready", "checks": checks}, 200 if ready else 503)


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
async def metrics(service: ServiceDep) -> Response:
    """All metrics, as text."""
    return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _checks(service: AppState) -> dict[str, Any]:
    wanted, seen = migrations_runner.head(), service.seen
    return {
        "database": {"ok": seen.answers == "ok", "answers": seen.answers},
        "migrations": {"ok": seen.revision == wanted, "wanted": wanted, "found": seen.revision},
    }
