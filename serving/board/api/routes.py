"""Routes that people ask: one subject, and those that come next."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, TypeAdapter, ValidationError

from board.app_state import AppState
from board.questions import answers
from board.tracking.follower import NO_SOURCE
from board.tracking.subject_tracker import SubjectTracker
from service_kit import api_keys
from service_kit.caller_keys import require_key
from service_kit.problems import FieldError, ProblemError
from service_kit.request_middleware import UNLIMITED

AS_OF = TypeAdapter(AwareDatetime)
EXAMPLE = {"flight": {"month": 10, "day": 1, "carrier": "9E", "flight": 3347}}
router = APIRouter(tags=["subjects"])


def service_of(request: Request) -> AppState:
    """The service that answers; raises ProblemError (401) where it has keys and the request shows none of them."""
    service: AppState = request.app.state.service
    if service.keys:
        request.state.caller = require_key(service.keys, request.headers.get(api_keys.HEADER), "a key (API_KEYS)")
    return service


ServiceDep = Annotated[AppState, Depends(service_of)]


@router.post("/predictions", summary="Predict one subject by its name")
async def predict(service: ServiceDep, body: Annotated[dict[str, Any], Body(examples=[EXAMPLE])]) -> dict[str, Any]:
    """Predicts the subject, such as a `flight`, that values of columns name; `as_of` is a moment of the log.

    Any columns of its table may name it, as long as no other subject has the same values. The answer holds the features.
    """
    tracker = _tracker(service)
    subject = tracker.source.live.SUBJECT
    fields = {subject, "as_of"}
    errors = [
        FieldError(name[:80], f"one of {', '.join(sorted(fields))}", "an unknown field") for name in body.keys() - fields
    ]
    named = body.get(subject)
    if not isinstance(named, dict):
        errors.append(
            FieldError(subject, "an object with values of columns", repr(named)[:80] if subject in body else "nothing")
        )
    if errors:
        raise ProblemError(422, "The question is not as the board takes it; GET /docs shows how.", errors)
    return await answers.predict(tracker, service.questions, named or {}, _moment(body.get("as_of")))


@router.get("/upcoming", summary="List the subjects that come next")
async def upcoming(
    service: ServiceDep, hours: Annotated[float, Query(gt=0, le=48, description="Hours of the log's time")] = 6
) -> dict[str, Any]:
    """The subjects that are due in the next hours after the watermark.

    Each has its official prediction, or, while that is still to come, one as of the last quarter of an hour.
    """
    return await answers.upcoming(_tracker(service), service.forecasts, hours)


PATHS = frozenset((*UNLIMITED, *(route.path for route in router.routes if isinstance(route, APIRoute))))


def _tracker(service: AppState) -> SubjectTracker:
    """What the board knows; raises ProblemError (409, 503) where it follows nothing, or not yet."""
    follower = service.follower
    if follower.has_source is False:
        raise ProblemError(409, f"The board answers nothing here: {NO_SOURCE}.")
    if follower.tracker is None or follower.tracker.tables.watermark is None:
        raise ProblemError(503, f"The board is not ready: it {follower.state}. Try again in a moment.")
    return follower.tracker


def _moment(text: Any) -> Any:
    if text is None:
        return None
    try:
        return AS_OF.validate_python(text if isinstance(text, str) else "")
    except ValidationError as error:
        wanted = "a moment with its offset, such as 2013-10-01T07:15:00Z"
        raise ProblemError(422, "The moment cannot be read.", [FieldError("as_of", wanted, repr(text)[:80])]) from error
