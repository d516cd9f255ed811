"""Routes of the event log: services append what happens, and follow it."""

import asyncio
import time
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import ValidationError
from pydantic_core import from_json

from data_api.app_state import AppState
from data_api.crud import events
from data_api.database.engine import after_commit, transaction
from data_api.dependencies import Anyone, Follower, ReadSession, ServiceDep, Writer, WriteSession
from data_api.routes.bulk import described, rows_of
from data_api.schemas.events import EventCreate, Events, Watermark, event_id, row_types
from data_api.schemas.predictions import Recorded
from data_api.schemas.queries import EventQuery
from data_api.schemas.types import now
from service_kit.field_errors import invalid_request
from service_kit.problems import ProblemError

NDJSON = "application/x-ndjson"
LINE = (
    '{"position":7,"event_id":"01417460-7580-7d2b-a3c9-5f0a3c1e5b70","table":"weather","key":{"origin":"EWR"},'
    '"known_at":"2013-10-01T12:00:00Z","values":{"humid":61.0}}\n'
)
WITHOUT_MODEL = (
    "Events are held to the source tables of a model, and none has been reported yet. A prediction service reports its "
    "model within a minute of its start: try again then."
)
WITHOUT_TABLES = (
    "Events are held to the source tables of a model; the model that was reported last has none. Start a prediction service "
    "whose model is computed from events."
)
POLL_SECONDS = 0.2  # between two looks for news, while a reader waits
router = APIRouter(tags=["events"])


@router.post("/events", status_code=201, summary="Append events", responses={409: {}}, openapi_extra=described(Events))
def append(
    service: ServiceDep,
    rows: Annotated[list[EventCreate], Depends(rows_of(Events))],
    session: WriteSession,
    caller: Writer,
) -> Recorded:
    """Appends all or none, in their order. The same event again changes nothing; a correction is a later event.

    Each value is held to its column, as the model that was reported last declares the source tables.
    """
    tables = events.declared_tables(session)
    if tables is None:
        raise ProblemError(409, WITHOUT_TABLES if events.is_model_reported(session) else WITHOUT_MODEL)
    try:
        checked = row_types(tables).validate_python(rows)
    except ValidationError as error:
        several = len(from_json(tables)) > 1
        raise invalid_request([_placed(detail, several) for detail in error.errors(include_url=False)]) from error
    by_id = {event_id(event): row for event, row in zip(checked, rows, strict=True)}  # stored as sent: 5 is no 5.0 then
    new = events.append(session, by_id, now())
    after_commit(session, partial(service.metrics.rows["events"].inc, new))
    return Recorded(recorded=new, known=len(rows) - new)


@router.get(
    "/events",
    summary="Follow the event log",
    response_class=Response,
    responses={
        200: {"content": {NDJSON: {"schema": {"type": "string"}, "example": LINE}}, "description": "Events, one a line"}
    },
)
async def follow(service: ServiceDep, caller: Follower, query: Annotated[EventQuery, Query()]) -> Response:
    """The events after a position, one a line. No event appears later at or before a position that a reader has seen.

    Without news it answers at once, or after `wait` seconds, with no line.
    """
    until = time.monotonic() + query.wait
    while not (lines := await asyncio.to_thread(_page, service, query)) and time.monotonic() < until:
        await asyncio.sleep(POLL_SECONDS)
    return Response(b"".join(lines), media_type=NDJSON)


@router.get("/events/watermark", summary="See how far the event log reaches")
def watermark(session: ReadSession, caller: Anyone) -> Watermark:
    """The highest position, and the oldest and newest `known_at`: what a follower needs before it begins."""
    return events.watermark(session)


def _placed(error: Any, several_tables: bool) -> Any:
    """An error by the place of its event and the column; pydantic puts the table between where it has a choice."""
    place, *rest = error["loc"]
    return {**error, "loc": ("events", place, *rest[several_tables:])}


def _page(service: AppState, query: EventQuery) -> list[bytes]:
    with transaction(service.engine, reads=True) as session:
        return events.lines_after(session, query)
