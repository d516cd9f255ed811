"""Outcomes: recorded in bulk by services."""

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends

from data_api.app_state import AppState
from data_api.crud import outcomes
from data_api.database.engine import after_commit
from data_api.database.uuid7 import time_of
from data_api.dependencies import ServiceDep, Writer, WriteSession
from data_api.http.no_query import NO_QUERY
from data_api.http.openapi_responses import refusals
from data_api.routes.bulk import document_of, rows_of
from data_api.schemas.outcomes import Outcome
from data_api.schemas.predictions import Recorded
from data_api.schemas.types import now

BODY = document_of("outcomes", Outcome)
router = APIRouter(tags=["outcomes"], dependencies=[NO_QUERY])


@router.post(
    "/outcomes",
    status_code=201,
    summary="Record what came true",
    responses=refusals(400, 401, 403, 409, 413, 415, 422),
    openapi_extra={"requestBody": BODY},
)
def record(
    service: ServiceDep,
    rows: Annotated[list[dict[str, Any]], Depends(rows_of("outcomes", Outcome))],
    session: WriteSession,
    caller: Writer,
) -> Recorded:
    """All of them or none, also before their predictions are here. Another outcome of the same one is refused (409)."""
    arrived = now()
    new = outcomes.record(session, rows, arrived)
    after_commit(session, partial(service.metrics.rows["outcomes"].inc, len(new)))
    after_commit(session, partial(_note_delays, service, arrived, new))
    return Recorded(recorded=len(new), known=len(rows) - len(new))


def _note_delays(service: AppState, arrived: datetime, ids: Iterable[UUID]) -> None:
    for found in ids:
        service.metrics.delay.observe(max(0.0, (arrived - time_of(found)).total_seconds()))
