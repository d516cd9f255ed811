"""Whether the service is alive, has what it needs, and how it does."""

import logging
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from data_api import migrating
from data_api.callers import Serving
from data_api.database import transaction
from data_api.errors import DatabaseAway
from data_api.logs import LOGGER
from data_api.service import Service

logger = logging.getLogger(LOGGER)
router = APIRouter(tags=["health"])
READY: dict[int | str, dict[str, Any]] = {
    503: {"description": "It has not", "content": {"application/json": {"schema": {"type": "object"}}}}
}


@router.get("/healthz", summary="Whether the process is alive")
async def healthz() -> dict[str, str]:
    """Answers while the process can answer at all."""
    return {"status": "alive"}


@router.get("/readyz", summary="Whether the service has what it needs", responses=READY)
def readyz(service: Serving) -> Response:
    """The database and its migrations, each by name; 503 where one of them keeps requests from being answered."""
    checks = _checks(service)
    ready = all(check["ok"] for check in checks.values())
    return JSONResponse({"status": "ready" if ready else "not ready", "checks": checks}, 200 if ready else 503)


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
async def metrics(service: Serving) -> Response:
    """All metrics, as text."""
    return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _checks(service: Service) -> dict[str, Any]:
    wanted = migrating.head()
    found, answers = None, "ok" if service.failure is None else DatabaseAway.told
    if service.failure is None:
        try:
            with transaction(service.engine, reads=True) as session:
                found = migrating.revision(session.connection())
        except DatabaseAway as error:
            logger.warning("the database is not ready", extra={"reason": str(error)})
            answers = error.told
    return {
        "database": {"ok": answers == "ok", "answers": answers},
        "migrations": {"ok": found == wanted, "wanted": wanted, "found": found},
    }
