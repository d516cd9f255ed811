"""How well the predictions did whose outcome is known."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from data_api.crud import performance
from data_api.dependencies import Reader, ReadSession
from data_api.http.openapi_responses import refusals
from data_api.http.time_range import before, refuse_backwards
from data_api.schemas.performance import Group, Performance, Scores
from data_api.schemas.queries import PerformanceQuery
from data_api.schemas.types import now
from service_kit.problems import FieldError, ProblemError

UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
router = APIRouter(tags=["performance"])


@router.get(
    "/performance",
    summary="Scores of the predictions whose outcome is known",
    responses=refusals(401, 403, 422),
)
def read(session: ReadSession, caller: Reader, query: Annotated[PerformanceQuery, Query()]) -> Performance:
    """Over predictions made in a window of time: of all, and of each group. Scores that are undefined are null."""
    if query.window is not None and query.since is not None:
        fault = FieldError(field="window", wanted="window or since", got="both")
        raise ProblemError(422, "A window of time begins at since, or as long ago as window says.", [fault])
    last = query.until or now()
    begin = query.since or before(last, _length(query.window or "24h"))
    refuse_backwards(begin, last)
    whole = performance.scores(session, begin, last, "none", query.bins, query.model_version)
    overall = whole.get(performance.WHOLE, performance.nothing())
    groups = {}
    if query.by != "none":
        groups = performance.scores(session, begin, last, query.by, query.bins, query.model_version)
    return Performance(
        since=begin,
        until=last,
        overall=Scores(**overall),
        groups=[Group(group=name, **scores) for name, scores in groups.items()],
    )


def _length(window: str) -> timedelta:
    return int(window[:-1]) * UNITS[window[-1]]
