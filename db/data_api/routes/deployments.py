"""Deployments: which model answered, told by services, read by people."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query

from data_api.crud import deployments
from data_api.crud.deployments import Filter
from data_api.database.engine import after_commit
from data_api.dependencies import Reader, ReadSession, ServiceDep, Writer, WriteSession
from data_api.http.no_query import NO_QUERY
from data_api.http.openapi_responses import refusals
from data_api.http.time_range import refuse_backwards
from data_api.schemas.deployments import DeploymentCreate, DeploymentList, DeploymentRead
from data_api.schemas.queries import DeploymentQuery
from data_api.schemas.types import Id

router = APIRouter(tags=["deployments"])


@router.put(
    "/deployments/{deployment_id}",
    summary="Tell that a model answers, or that it ended",
    dependencies=[NO_QUERY],
    responses=refusals(400, 401, 403, 409, 413, 415, 422),
)
def put(
    deployment_id: Annotated[Id, Path()],
    deployment: DeploymentCreate,
    service: ServiceDep,
    session: WriteSession,
    caller: Writer,
) -> DeploymentRead:
    """As often as you like: `last_seen_at` and `ended_at` move forward only, and the rest must stay the same (409)."""
    stored, new = deployments.put(session, deployment_id, deployment.model_dump())
    after_commit(session, partial(service.metrics.rows["deployments"].inc, new))
    return DeploymentRead.model_validate(stored)


@router.get("/deployments", summary="Which model answered, from when to when", responses=refusals(401, 403, 422))
def read(session: ReadSession, caller: Reader, query: Annotated[DeploymentQuery, Query()]) -> DeploymentList:
    """The newest first. One without `ended_at` still answers, or was cut off after `last_seen_at`."""
    refuse_backwards(query.since, query.until)
    selected = Filter(query.at, query.since, query.until, query.model_version)
    page = deployments.page(session, selected, query.cursor, query.limit + 1)
    following = page[query.limit - 1].deployment_id if len(page) > query.limit else None
    rows = [DeploymentRead.model_validate(deployment) for deployment in page[: query.limit]]
    return DeploymentList(deployments=rows, next=following)
