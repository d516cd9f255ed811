"""Predictions: recorded in bulk by services, read by pages or exported whole."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response, StreamingResponse
from pydantic_core import to_json

from data_api.app_state import AppState
from data_api.crud import predictions
from data_api.crud.predictions import Filter
from data_api.database.engine import after_commit, transaction
from data_api.dependencies import Reader, ReadSession, ServiceDep, Writer, WriteSession
from data_api.http.no_query import NO_QUERY
from data_api.http.openapi_responses import refusals
from data_api.http.time_range import refuse_backwards
from data_api.routes.bulk import document_of, rows_of
from data_api.schemas.predictions import Prediction, PredictionList, Recorded
from data_api.schemas.queries import DEFAULT_LIMIT, PredictionQuery
from data_api.schemas.types import now

EXPORTED_AT_ONCE = 2000
NDJSON, CSV = "application/x-ndjson", "text/csv"
COLUMNS = (*predictions.COLUMNS, "outcome")
BODY = document_of("predictions", Prediction)
router = APIRouter(tags=["predictions"])


@router.post(
    "/predictions",
    status_code=201,
    summary="Record predictions",
    dependencies=[NO_QUERY],
    responses=refusals(400, 401, 403, 409, 413, 415, 422),
    openapi_extra={"requestBody": BODY},
)
def record(
    service: ServiceDep,
    rows: Annotated[list[dict[str, Any]], Depends(rows_of("predictions", Prediction))],
    session: WriteSession,
    caller: Writer,
) -> Recorded:
    """All of them or none. The same prediction again changes nothing; the same id with other content is refused (409)."""
    new = predictions.record(session, rows, now())
    after_commit(session, partial(service.metrics.rows["predictions"].inc, new))
    return Recorded(recorded=new, known=len(rows) - new)


@router.get(
    "/predictions",
    summary="Predictions by time, model version and label",
    response_model=PredictionList,
    responses=refusals(401, 403, 422)
    | {200: {"content": {kind: {"schema": {"type": "string"}} for kind in (NDJSON, CSV)}, "description": "Predictions"}},
)
def read(service: ServiceDep, session: ReadSession, caller: Reader, query: Annotated[PredictionQuery, Query()]) -> Any:
    """A page holds `next`, the cursor of the page after it. An export holds all, one prediction a line."""
    refuse_backwards(query.since, query.until)
    selected = Filter(query.since, query.until, query.model_version, query.label)
    newest, limit = query.order == "newest", query.limit
    if query.format == "json":
        limit = limit or DEFAULT_LIMIT
        page = predictions.page(session, selected, newest, query.cursor, limit + 1)
        following = page[limit - 1]["prediction_id"] if len(page) > limit else None
        return Response(to_json({"predictions": page[:limit], "next": following}), media_type="application/json")
    start = predictions.page(session, selected, newest, query.cursor, limit or EXPORTED_AT_ONCE)
    pages = iter([start]) if limit else _pages(service, selected, newest, start)
    kind, lines = (NDJSON, _ndjson) if query.format == "ndjson" else (CSV, _Csv())
    name = {"content-disposition": f'attachment; filename="predictions.{query.format}"'}
    return StreamingResponse(map(lines, pages), media_type=kind, headers=name)


def _pages(service: AppState, wanted: Filter, newest: bool, page: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """All pages, each in a transaction of its own: whoever reads slowly holds up no connection."""
    while True:
        yield page
        if len(page) < EXPORTED_AT_ONCE:
            return
        with transaction(service.engine, reads=True) as session:
            page = predictions.page(session, wanted, newest, page[-1]["prediction_id"], EXPORTED_AT_ONCE)


def _ndjson(page: list[dict[str, Any]]) -> bytes:
    return b"".join([to_json(row) + b"\n" for row in page])


class _Csv:
    """Turns pages into CSV (RFC 4180); the first with the names of the columns. What is nested is JSON in its field."""

    def __init__(self) -> None:
        self._begun = False

    def __call__(self, page: list[dict[str, Any]]) -> bytes:
        text = io.StringIO()
        writer = csv.writer(text)
        if not self._begun:
            writer.writerow(COLUMNS)
            self._begun = True
        for row in page:
            writer.writerow([_cell(row[name]) for name in COLUMNS])
        return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return value.isoformat() if isinstance(value, datetime) else value
