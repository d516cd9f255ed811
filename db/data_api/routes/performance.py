"""Route of scores over predictions with known outcomes."""

from datetime import timedelta
from functools import partial
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
    summary="Get scores of predictions with known outcomes",
    responses=refusals(401, 403, 422),
)
def compute(session: ReadSession, caller: Reader, query: Annotated[PerformanceQuery, Query()]) -> Performance:
    """The scores of predictions made in a window of time, overall and by group. Undefined scores are null."""
    if query.window is not None and query.since is not None:
        field_error = FieldError(field="window", wanted="window or since", got="both")
        raise ProblemError(422, "A window of time begins at since, or as long ago as window says.", [field_error])
    until = query.until or now()
    since = query.since or before(until, _length(query.window or "24h"))
    refuse_backwards(since, until)
    compute_by = partial(
        performance.compute_scores, session, since, until, bins=query.bins, model_version=query.model_version
    )
    overall = compute_by(by="none").get(performance.WHOLE, performance.empty_scores())
    groups = {} if query.by == "none" else compute_by(by=query.by)
    return Performance(
        since=since,
        until=until,
        overall=Scores(**overall),
        groups=[Group(group=name, **scores) for name, scores in groups.items()],
    )


def _length(window: str) -> timedelta:
    return int(window[:-1]) * UNITS[window[-1]]
