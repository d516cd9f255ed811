"""Routes of liveness, readiness and metrics, the same for every service."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from service_kit.problems import RETRY_SECONDS

router = APIRouter(tags=["health"])
NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {"description": "The service is not ready", "content": {"application/json": {"schema": {"type": "object"}}}}
}


@router.get("/healthz", summary="Check that the process is alive")
async def healthz() -> dict[str, str]:
    """Answers as long as the process can answer at all."""
    return {"status": "alive"}


@router.get("/readyz", summary="Check that the service has what it needs", responses=NOT_READY)
async def readyz(request: Request) -> Response:
    """What the service needs, by name; 503 if something of it keeps the service from answering requests."""
    checks = request.app.state.service.checks()
    ready = all(check["ok"] for check in checks.values())
    return readiness({"status": "ready" if ready else "not ready", "checks": checks}, ready)


def readiness(content: Mapping[str, Any], is_ready: bool) -> Response:
    """An answer that says whether a service is ready: 503 where it is not, with when to ask again."""
    if is_ready:
        return JSONResponse(content)
    return JSONResponse(content, 503, {"retry-after": str(RETRY_SECONDS)})


@router.get("/metrics", summary="Get the metrics for Prometheus", response_class=Response)
async def metrics(request: Request) -> Response:
    """All metrics, as text."""
    return Response(generate_latest(request.app.state.service.metrics.registry), media_type=CONTENT_TYPE_LATEST)
