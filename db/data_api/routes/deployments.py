"""Routes of deployments: services report which model answers, and people read it."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query

from data_api.crud import deployments
from data_api.database.engine import after_commit
from data_api.dependencies import Reader, ReadSession, ServiceDep, Writer, WriteSession
from data_api.schemas.deployments import DeploymentCreate, DeploymentList, DeploymentRead
from data_api.schemas.queries import DeploymentQuery
from data_api.schemas.types import Id

router = APIRouter(tags=["deployments"])


@router.put(
    "/deployments/{deployment_id}",
    summary="Report that a model answers, or that it stopped",
    responses={409: {}},
)
def upsert(
    deployment_id: Annotated[Id, Path()],
    deployment: DeploymentCreate,
    service: ServiceDep,
    session: WriteSession,
    caller: Writer,
) -> DeploymentRead:
    """May be repeated: `last_seen_at` and `ended_at` only move forward; any other change is refused (409)."""
    stored, is_new = deployments.upsert(session, deployment_id, deployment.model_dump())
    after_commit(session, partial(service.metrics.rows["deployments"].inc, is_new))
    return DeploymentRead.model_validate(stored)


@router.get("/deployments", summary="List which model answered, from when to when")
def list_page(session: ReadSession, caller: Reader, query: Annotated[DeploymentQuery, Query()]) -> DeploymentList:
    """The newest first. A deployment without `ended_at` still answers, or failed after `last_seen_at`."""
    page = deployments.list_page(session, query)
    next_cursor = page[query.limit - 1].deployment_id if len(page) > query.limit else None
    rows = [DeploymentRead.model_validate(deployment) for deployment in page[: query.limit]]
    return DeploymentList(deployments=rows, next=next_cursor)
