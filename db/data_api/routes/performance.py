"""How well the predictions did whose outcome is known."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from data_api.crud import performance
from data_api.dependencies import Reader, ReadSession
from data_api.http.openapi_responses import refusals
from data_api.http.problems import FieldError, ProblemError
from data_api.http.time_range import Since, Until, before, refuse_backwards
from data_api.schemas.performance import By, Group, Performance, Scores
from data_api.schemas.types import NO_NUL, now

UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
router = APIRouter(tags=["performance"])


@router.get(
    "/performance",
    summary="Scores of the predictions whose outcome is known",
    responses=refusals(401, 403, 422),
)
def read(
    session: ReadSession,
    caller: Reader,
    window: Annotated[
        str | None,
        Query(pattern="^[1-9][0-9]{0,3}[mhdw]$", description="Up to `until`, or now: 90m, 24h (the default), 7d, 4w"),
    ] = None,
    since: Since = None,
    until: Until = None,
    model_version: Annotated[str | None, Query(max_length=200, pattern=NO_NUL)] = None,
    by: By = "none",
    bins: Annotated[int, Query(ge=1, le=100, description="Of the calibration table")] = 15,
) -> Performance:
    """Over predictions made in a window of time: of all, and of each group. Scores that are undefined are null."""
    if window is not None and since is not None:
        fault = FieldError(field="window", wanted="window or since", got="both")
        raise ProblemError(422, "A window of time begins at since, or as long ago as window says.", [fault])
    last = until or now()
    begin = since or before(last, _length(window or "24h"))
    refuse_backwards(begin, last)
    whole = performance.scores(session, begin, last, "none", bins, model_version)
    overall = whole.get(performance.WHOLE, performance.nothing())
    groups = {} if by == "none" else performance.scores(session, begin, last, by, bins, model_version)
    return Performance(
        since=begin,
        until=last,
        overall=Scores(**overall),
        groups=[Group(group=name, **found) for name, found in groups.items()],
    )


def _length(window: str) -> timedelta:
    return int(window[:-1]) * UNITS[window[-1]]
