"""Deployments: which model answered, told by services, read by people."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from data_api.crud import deployments
from data_api.crud.deployments import Filter
from data_api.database.engine import after_commit
from data_api.dependencies import Reader, ReadSession, ServiceDep, Writer, WriteSession
from data_api.http.openapi_responses import refusals
from data_api.http.time_range import Since, Until, refuse_backwards
from data_api.schemas.deployments import DeploymentCreate, DeploymentList, DeploymentRead
from data_api.schemas.types import NO_NUL, Id, Instant

router = APIRouter(tags=["deployments"])


@router.put(
    "/deployments/{deployment_id}",
    summary="Tell that a model answers, or that it ended",
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
def read(
    session: ReadSession,
    caller: Reader,
    at: Annotated[Instant | None, Query(description="Those that answered at this moment")] = None,
    since: Since = None,
    until: Until = None,
    model_version: Annotated[str | None, Query(max_length=200, pattern=NO_NUL)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[UUID | None, Query(description="`next` of the page before")] = None,
) -> DeploymentList:
    """The newest first. One without `ended_at` still answers, or was cut off after `last_seen_at`."""
    refuse_backwards(since, until)
    found = deployments.page(session, Filter(at, since, until, model_version), cursor, limit + 1)
    more = found[limit - 1].deployment_id if len(found) > limit else None
    return DeploymentList(deployments=[DeploymentRead.model_validate(one) for one in found[:limit]], next=more)
