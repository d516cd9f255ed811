"""The page of the subjects that come next."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from board import questions
from board.app_state import AppState
from board.pages.page_route import PageRoute
from board.pages.rendering import render

HOURS = 6.0
router = APIRouter(route_class=PageRoute)


@router.get("/")
async def departures(request: Request) -> Response:
    """The subjects of the next hours of the log, each with its prediction."""
    service: AppState = request.app.state.service
    tracker, model = service.follower.tracker, service.follower.model
    if model is None or tracker is None or tracker.tables.watermark is None:
        return render(request, "empty.html", state=service.follower.state)
    answer = await questions.upcoming(tracker, service.forecasts, HOURS)
    live = tracker.source.live
    return render(
        request, "departures.html", subjects=answer[live.TABLE], subject=live.SUBJECT, hours=HOURS,
        base_rate=model["schema"]["target"]["rate"],
    )  # fmt: skip
