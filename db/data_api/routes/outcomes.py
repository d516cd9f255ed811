"""Routes of outcomes: services record them in bulk."""

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
from data_api.routes.bulk import described, rows_of
from data_api.schemas.outcomes import Outcomes
from data_api.schemas.predictions import Recorded
from data_api.schemas.types import now

router = APIRouter(tags=["outcomes"])


@router.post(
    "/outcomes",
    status_code=201,
    summary="Record outcomes",
    responses={409: {}},
    openapi_extra=described(Outcomes),
)
def record(
    service: ServiceDep,
    rows: Annotated[list[dict[str, Any]], Depends(rows_of(Outcomes))],
    session: WriteSession,
    caller: Writer,
) -> Recorded:
    """Records all or none. An outcome may arrive before its prediction; a second, different outcome is refused (409)."""
    received_at = now()
    new_ids = outcomes.record(session, rows, received_at)
    after_commit(session, partial(service.metrics.rows["outcomes"].inc, len(new_ids)))
    after_commit(session, partial(_observe_delays, service, received_at, new_ids))
    return Recorded(recorded=len(new_ids), known=len(rows) - len(new_ids))


def _observe_delays(service: AppState, received_at: datetime, ids: Iterable[UUID]) -> None:
    for prediction_id in ids:
        service.metrics.delay.observe(max(0.0, (received_at - time_of(prediction_id)).total_seconds()))
