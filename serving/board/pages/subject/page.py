"""The page of one subject: its prediction, the reasons, what stands behind it, how it moved, and what if."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from board.app_state import AppState
from board.errors import BoardError, ServiceUnavailable
from board.pages.frame.outages import outages
from board.pages.frame.page_route import PageRoute
from board.pages.frame.patience import within_patience
from board.pages.frame.presentation import SUBJECTS, presentation_of, target_of
from board.pages.frame.rendering import render
from board.pages.subject.prediction_chart import movement_chart, waterfall
from board.pages.subject.what_if import WhatIf, what_if
from board.questions.lookup import find_row
from board.tracking.source import SECONDS, Record, Source, time_of
from board.tracking.subject_tracker import SubjectTracker
from board.tracking.tables import Snapshot
from pipeline.data.event_log import Key
from service_kit.problems import FieldError, ProblemError

router = APIRouter(route_class=PageRoute)


@dataclass(frozen=True)
class Found:
    """The subject that an address names: its place in what is known, and the moment of its prediction in minutes."""

    snapshot: Snapshot
    place: int
    key: Key
    moment: int
    now: int


async def show(request: Request) -> Response:
    """The page of the subject whose key the query holds. Raises ProblemError (404, 422)."""
    service: AppState = request.app.state.service
    tracker, presentation = service.follower.tracker, presentation_of(service)
    if presentation is None or tracker is None or tracker.tables.watermark is None:
        return render(request, "empty.html", outages=outages(service), state=service.follower.state)
    found = await asyncio.to_thread(_find, tracker, named(tracker.source, request.query_params))
    prediction = await _prediction(service, tracker, found)
    moment = int(prediction["as_of"].timestamp()) // SECONDS if prediction else found.moment
    reasons, no_reasons = await _reasons(service, tracker, found, prediction)
    background = await asyncio.to_thread(
        presentation.background, found.snapshot.history, found.place, moment, found.now, tracker.source.options
    )
    changed = await _what_if(service, tracker, found, prediction, reasons, request.query_params)
    points, no_movement = await _movement(service, tracker, found.key, prediction)
    return render(
        request, "subject.html", outages=outages(service), presentation=presentation, live=tracker.source.live,
        subject=tracker.source.subject(found.key), background=background, prediction=prediction,
        moment=time_of(moment),
        official_at=time_of(found.snapshot.moments[found.place]), earliest=tracker.earliest,
        target=target_of(service), no_reasons=no_reasons,
        waterfall=waterfall(reasons, presentation) if reasons else None, no_movement=no_movement,
        what_if=changed, movement=movement_chart(points) if len(points) > 1 else None, points=points,
    )  # fmt: skip


for _path in SUBJECTS:
    router.add_api_route(f"/{_path}", show)


def named(source: Source, values: Mapping[str, str]) -> dict[str, Any]:
    """The columns of the key that the query of an address holds. Raises ProblemError (422) for a number that is none."""
    columns, errors = source.subject_table.columns, []
    key: dict[str, Any] = {}
    for name in source.subject_table.key:
        if not (text := values.get(name, "")):
            continue
        key[name] = text
        if columns[name].kind == "number":
            try:
                key[name] = float(text)
            except ValueError:
                errors.append(FieldError(name, "a number", repr(text)[:80]))
    if errors:
        raise ProblemError(422, f"The address should name a {source.live.SUBJECT}.", errors)
    return key


def _find(tracker: SubjectTracker, key: Mapping[str, Any]) -> Found:
    snapshot = tracker.tables.snapshot()
    place = find_row(tracker.source, snapshot, key)
    now = int(snapshot.watermark.timestamp()) // SECONDS
    return Found(snapshot, place, snapshot.keys[place], min(snapshot.moments[place], now), now)


async def _prediction(service: AppState, tracker: SubjectTracker, found: Found) -> Record | None:
    """The official prediction, or one as of the last quarter of an hour before; None where there is none."""
    if official := tracker.officials.made.get(found.key):
        return {**official.as_json(), "is_official": True}
    if found.key not in tracker.officials.pending:
        return None
    with suppress(ServiceUnavailable):
        await within_patience(service.forecasts.of(tracker, [found.key]))
    forecast = service.forecasts.newest(tracker).get(found.key)
    return {**forecast, "is_official": False} if forecast else None


async def _reasons(
    service: AppState, tracker: SubjectTracker, found: Found, prediction: Record | None
) -> tuple[Record | None, str | None]:
    """The reasons of the prediction, or why there are none."""
    if prediction is None:
        return None, None
    moment = int(prediction["as_of"].timestamp()) // SECONDS
    try:
        return await within_patience(service.explanations.explain(tracker, found.key, moment)), None
    except BoardError as error:
        return None, str(error)


async def _what_if(
    service: AppState,
    tracker: SubjectTracker,
    found: Found,
    prediction: Record | None,
    reasons: Record | None,
    values: Mapping[str, str],
) -> WhatIf | None:
    """The form with the columns of the prediction, and the answer to its changes; None without a prediction."""
    model = service.follower.model
    if prediction is None or model is None:
        return None
    moment = int(prediction["as_of"].timestamp()) // SECONDS
    records = await asyncio.to_thread(tracker.source.records_at, found.snapshot.history, [found.place], [moment])
    topics = [topic["topic"] for topic in reasons["topics"]] if reasons else []
    return await what_if(service.predictor, model["schema"]["columns"], records[0], values, topics)


async def _movement(
    service: AppState, tracker: SubjectTracker, key: Key, prediction: Record | None
) -> tuple[list[Record], str | None]:
    """What was predicted of the subject as of when, by moment, with the shown prediction; or why that is not known."""
    shown = [prediction] if prediction else []
    try:
        stored = await within_patience(service.data_service.predictions_of(tracker.source.subject_text(key)))
    except BoardError as error:
        return shown, str(error)
    stored.sort(key=lambda row: bool(row["official"]))
    by_moment = {datetime.fromisoformat(row["as_of"]): {**row, "is_official": row["official"]} for row in stored}
    by_moment |= {row["as_of"]: row for row in shown}
    return [{**by_moment[moment], "as_of": moment} for moment in sorted(by_moment)], None
