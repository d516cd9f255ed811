"""The page of the subjects that come next, and of those of the last hours with what came true."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from http import HTTPStatus
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from board.app_state import AppState
from board.clock import Clock
from board.pages.departures.query import SORTS, WINDOW, DeparturesQuery, read_query
from board.pages.departures.rows import PER_PAGE, Row, choices, count_long_overdue, in_order, matching, predicted, rows_of
from board.pages.frame.outages import outages
from board.pages.frame.page_route import PageRoute
from board.pages.frame.presentation import presentation_of, target_of
from board.pages.frame.rendering import environment, link, render
from board.tracking.source import SECONDS, time_of
from board.tracking.subject_tracker import SubjectTracker
from pipeline.data.event_log import Key

PATIENCE_SECONDS = 0.5  # that a page waits for forecasts; what comes later is there at its next refresh
router = APIRouter(route_class=PageRoute)


@router.get("/")
async def departures(request: Request) -> Response:
    """The subjects of some hours of the log's time, each with its prediction; the form where the model follows no log."""
    service: AppState = request.app.state.service
    if service.follower.has_source is False:
        return RedirectResponse(link(request, "/form"), HTTPStatus.SEE_OTHER)
    tracker, presentation = service.follower.tracker, presentation_of(service)
    if presentation is None or tracker is None or (watermark := tracker.tables.watermark) is None:
        return render(request, "empty.html", outages=outages(service), state=service.follower.state)
    query = read_query(request.query_params, presentation.FACETS)
    now = int(watermark.timestamp()) // SECONDS
    every = await asyncio.to_thread(rows_of, tracker, presentation, query, now)
    long_overdue = await asyncio.to_thread(count_long_overdue, tracker, presentation, query, now)
    rows, moments = await _predicted(service, tracker, matching(every, query, presentation.FACETS))
    pages = max(1, -(-len(rows) // PER_PAGE))
    query = replace(query, page=min(query.page, pages))
    shown = in_order(rows, query.sort)[(query.page - 1) * PER_PAGE : query.page * PER_PAGE]
    shown = _with_reasons(service, tracker, presentation, shown, moments)
    start, end = (time_of(moment) for moment in query.window(now))
    response = render(
        request, "departures.html", **_frame(service, tracker), presentation=presentation, query=query, now=watermark,
        start=start, end=end, window=WINDOW, pages=pages, count=len(rows), called=sum(row.is_called for row in rows),
        choices=choices(every, query, presentation), days=_rendered(request, tracker, shown, query, presentation.CLOCK),
        long_overdue=long_overdue, is_predicted=not rows or any(row.probability is not None for row in rows),
    )  # fmt: skip
    if "hx-request" in request.headers:
        response.headers["hx-replace-url"] = link(request, "/", query.parameters())
    return response


def _frame(service: AppState, tracker: SubjectTracker) -> dict[str, Any]:
    """What the page shows around its rows."""
    return {
        "outages": outages(service),
        "live": tracker.source.live,
        "target": target_of(service),
        "history_days": tracker.source.recipe.HISTORY_DAYS,
        "predictions_begin": tracker.since,
        "refusal": service.explanations.refusal,
    }


async def _predicted(service: AppState, tracker: SubjectTracker, rows: Sequence[Row]) -> tuple[list[Row], dict[Key, int]]:
    """The rows with what was predicted, and the moments of the predictions."""
    pending = [row.key for row in rows if row.key in tracker.officials.pending]
    newest = await service.forecasts.shown(tracker, pending, PATIENCE_SECONDS)
    answers = [predicted(row, tracker, newest) for row in rows]
    return [row for row, _ in answers], {row.key: moment for row, moment in answers if moment is not None}


def _with_reasons(
    service: AppState, tracker: SubjectTracker, presentation: Any, rows: Sequence[Row], moments: dict[Key, int]
) -> list[Row]:
    """The rows with the strongest reason of each prediction, as far as it is there.

    Beside a probability above that of a typical case it is what raised it most, beside one below what lowered it most.
    """
    wanted = [(row.key, moments[row.key]) for row in rows if row.key in moments]
    phrases = {}
    for key, reasons in service.explanations.of(tracker, wanted).items():
        is_raised = sum(topic["contribution"] for topic in reasons["topics"]) > 0
        strongest = next(
            (topic for topic in reasons["topics"] if (topic["contribution"] > 0) == is_raised), reasons["topics"][0]
        )
        phrases[key] = presentation.phrase(strongest["topic"], strongest["contribution"], reasons["record"])
    return [row._replace(reason=phrases.get(row.key)) for row in rows]


def _rendered(
    request: Request, tracker: SubjectTracker, rows: Sequence[Row], query: DeparturesQuery, clock: Clock
) -> list[tuple[str | None, list[str]]]:
    """The rows as HTML, those of each day together where they are in the order of time."""
    source, base_rate = tracker.source, target_of(request.app.state.service)["rate"]
    path, key_columns = link(request, f"/{source.live.SUBJECT}"), source.subject_table.key

    def day(row: Row) -> str | None:
        return clock.date(row.due_at) if query.sort == SORTS[0] else None

    return [
        (date, [_row_html(row, path, key_columns, clock, base_rate) for row in of_day])
        for date, of_day in groupby(rows, day)
    ]


@lru_cache(maxsize=5000)  # most rows are as they were at the last refresh, and rendering them takes longest of all
def _row_html(row: Row, path: str, key_columns: Sequence[str], clock: Clock, base_rate: float) -> str:
    values = [int(value) if isinstance(value, float) else value for value in row.key]
    address = f"{path}?{urlencode(dict(zip(key_columns, values, strict=True)))}"
    template: Any = environment().get_template("departure_row.html").module
    html: str = template.departure_row(row, address, clock, base_rate)
    return html
