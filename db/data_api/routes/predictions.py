"""Routes of predictions: services record them in bulk, people read pages or export all."""

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
from data_api.database.engine import after_commit, transaction
from data_api.dependencies import Anyone, ReadSession, ServiceDep, Writer, WriteSession
from data_api.routes.bulk import described, rows_of
from data_api.schemas.predictions import PredictionList, Predictions, Recorded
from data_api.schemas.queries import DEFAULT_LIMIT, PredictionQuery
from data_api.schemas.types import now

EXPORT_PAGE_ROWS = 2000
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")  # what formulas of spreadsheets begin with, at times
NDJSON, CSV = "application/x-ndjson", "text/csv"
COLUMNS = (*predictions.COLUMNS, "outcome")
router = APIRouter(tags=["predictions"])


@router.post(
    "/predictions",
    status_code=201,
    summary="Record predictions",
    responses={409: {}},
    openapi_extra=described(Predictions),
)
def record(
    service: ServiceDep,
    rows: Annotated[list[dict[str, Any]], Depends(rows_of(Predictions))],
    session: WriteSession,
    caller: Writer,
) -> Recorded:
    """Records all or none. Repeating a prediction changes nothing; the same id with other content is refused (409).

    A prediction with a `subject` says what it is about, such as a flight, and as of which moment it was computed from the
    event log. Each subject has one official prediction, which is scored: the first one stored stays, and any later one with
    its id counts as known.
    """
    new = predictions.record(session, rows, now())
    after_commit(session, partial(service.metrics.rows["predictions"].inc, new))
    return Recorded(recorded=new, known=len(rows) - new)


@router.get(
    "/predictions",
    summary="List or export predictions",
    response_model=PredictionList,
    responses={
        200: {"content": {kind: {"schema": {"type": "string"}} for kind in (NDJSON, CSV)}, "description": "Predictions"}
    },
)
def list_or_export(
    service: ServiceDep, session: ReadSession, caller: Anyone, query: Annotated[PredictionQuery, Query()]
) -> Any:
    """By time, model version, label and subject.

    A page holds `next`, the cursor of the next one; an export has one row a line.
    """
    if query.format == "json":
        limit = query.limit or DEFAULT_LIMIT
        page = predictions.list_page(session, query, query.cursor, limit + 1)
        next_cursor = page[limit - 1]["prediction_id"] if len(page) > limit else None
        return Response(to_json({"predictions": page[:limit], "next": next_cursor}), media_type="application/json")
    first_page = predictions.list_page(session, query, query.cursor, query.limit or EXPORT_PAGE_ROWS)
    pages = iter([first_page]) if query.limit else _pages(service, query, first_page)
    media_type, encode = (NDJSON, _ndjson) if query.format == "ndjson" else (CSV, _csv)
    headers = {"content-disposition": f'attachment; filename="predictions.{query.format}"'}
    return StreamingResponse(encode(pages), media_type=media_type, headers=headers)


def _pages(service: AppState, query: PredictionQuery, page: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """All pages, each in a transaction of its own, so that a slow reader holds no connection."""
    while True:
        yield page
        if len(page) < EXPORT_PAGE_ROWS:
            return
        with transaction(service.engine, reads=True) as session:
            page = predictions.list_page(session, query, page[-1]["prediction_id"], EXPORT_PAGE_ROWS)


def _ndjson(pages: Iterator[list[dict[str, Any]]]) -> Iterator[bytes]:
    for page in pages:
        yield b"".join([to_json(row) + b"\n" for row in page])


def _csv(pages: Iterator[list[dict[str, Any]]]) -> Iterator[bytes]:
    """Pages as CSV (RFC 4180) after a line of column names; nested values are JSON.

    Text that a spreadsheet would take for a formula has a ``'`` in front (OWASP, CSV injection): callers choose their names.
    """
    lines: list[list[Any]] = [list(COLUMNS)]
    for page in pages:
        text = io.StringIO()
        csv.writer(text).writerows(lines + [[_cell(row[name]) for name in COLUMNS] for row in page])
        yield text.getvalue().encode()
        lines = []


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULAS) else value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return value.isoformat() if isinstance(value, datetime) else value
