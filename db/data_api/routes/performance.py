"""Route of scores over predictions with known outcomes."""

from typing import Annotated

from fastapi import APIRouter, Query

from data_api.crud import performance
from data_api.crud.performance import Bins
from data_api.crud.time_ranges import TimeRange
from data_api.dependencies import Anyone, ReadSession
from data_api.schemas.performance import Group, Performance, Scores
from data_api.schemas.queries import PerformanceQuery

router = APIRouter(tags=["performance"])


@router.get("/performance", summary="Get scores of predictions with known outcomes")
def compute(session: ReadSession, caller: Anyone, query: Annotated[PerformanceQuery, Query()]) -> Performance:
    """The scores of predictions made in a window of time, overall and by group. Undefined scores are null.

    A prediction with a subject counts only if it is official, at its moment `as_of`.
    """
    asked = TimeRange(*query.time_range())
    overall, groups = performance.compute_scores(
        session, [asked], query.by, query.model_version, Bins(query.bins, query.calibration)
    )
    return Performance(
        since=asked.since,
        until=asked.until,
        overall=Scores(**overall),
        groups=[
            Group(group=group.name, model_name=group.model_name, question=group.question, **group.scores) for group in groups
        ],
    )
