"""Parameters of a query, one class for each route that takes some; any other parameter is refused by its name."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from data_api.schemas.performance import By
from data_api.schemas.predictions import Format, Order
from data_api.schemas.types import NO_NUL, Instant

DEFAULT_LIMIT, MOST_LIMIT = 100, 1000
Since = Annotated[Instant | None, Field(description="From this moment on, with a time zone")]
Until = Annotated[Instant | None, Field(description="Up to this moment, itself excluded")]
ModelVersion = Annotated[str | None, Field(max_length=200, pattern=NO_NUL)]
Cursor = Annotated[UUID | None, Field(description="`next` of the page before")]


class NoQuery(BaseModel):
    """No parameter at all."""

    model_config = ConfigDict(extra="forbid")


class ApiKeyQuery(NoQuery):
    """Which keys to list."""

    user_id: Annotated[int | None, Field(ge=1, le=2**31 - 1)] = None


class DeploymentQuery(NoQuery):
    """Which deployments to list."""

    at: Annotated[Instant | None, Field(description="Those that answered at this moment")] = None
    since: Since = None
    until: Until = None
    model_version: ModelVersion = None
    limit: Annotated[int, Field(ge=1, le=MOST_LIMIT)] = DEFAULT_LIMIT
    cursor: Cursor = None


class PredictionQuery(NoQuery):
    """Which predictions to read, and how."""

    since: Since = None
    until: Until = None
    model_version: ModelVersion = None
    label: bool | None = None
    order: Annotated[Order, Field(description="Of their ids, which is the order in time")] = "newest"
    limit: Annotated[
        int | None, Field(ge=1, le=MOST_LIMIT, description=f"{DEFAULT_LIMIT} of a page and all of an export, if absent")
    ] = None
    cursor: Cursor = None
    format: Annotated[Format, Field(description="A page, or an export that is streamed")] = "json"


class PerformanceQuery(NoQuery):
    """Over which predictions to work out scores, and by which groups."""

    window: Annotated[
        str | None,
        Field(pattern="^[1-9][0-9]{0,3}[mhdw]$", description="Up to `until`, or now: 90m, 24h (the default), 7d, 4w"),
    ] = None
    since: Since = None
    until: Until = None
    model_version: ModelVersion = None
    by: By = "none"
    bins: Annotated[int, Field(ge=1, le=100, description="Of the calibration table")] = 15
