"""Query parameters, one class for each route that has some; unknown parameters are refused by name."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field, ValidationInfo, field_validator

from data_api.database.uuid7 import EPOCH
from data_api.schemas.performance import By, Widths
from data_api.schemas.predictions import Format, Order, Subject
from data_api.schemas.types import NO_NUL, Input, Instant, RowIdInAddress, now
from service_kit.problems import FieldError, ProblemError

DEFAULT_LIMIT, MAX_LIMIT, MAX_EVENTS = 100, 1000, 10_000
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
Cursor = Annotated[UUID | None, Field(description="`next` of the previous page")]


class ApiKeyQuery(Input):
    """Which keys to list."""

    user_id: RowIdInAddress | None = None


class TimeRangeQuery(Input):
    """A time range and a model version."""

    since: Annotated[Instant | None, Field(description="The start, included; with a time zone")] = None
    until: Annotated[Instant | None, Field(description="The end, excluded; with a time zone")] = None
    model_version: Annotated[str | None, Field(max_length=200, pattern=NO_NUL)] = None

    @field_validator("until")
    @classmethod
    def _not_before_since(cls, until: datetime | None, info: ValidationInfo) -> datetime | None:
        since = info.data.get("since")
        if since is not None and until is not None and until < since:
            raise ValueError(f"should be a moment not before since, {since}")
        return until


class DeploymentQuery(TimeRangeQuery):
    """Which deployments to list."""

    at: Annotated[Instant | None, Field(description="Only deployments that answered at this time")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    cursor: Cursor = None


class PredictionQuery(TimeRangeQuery):
    """Which predictions to read, and how."""

    label: bool | None = None
    subject: Annotated[Subject | None, Field(description="Only predictions that were stored with exactly this text")] = None
    official: Annotated[
        bool | None, Field(description="Only predictions with a subject that are official, or only those that are not")
    ] = None
    order: Annotated[Order, Field(description="The order of ids, which is the order in time")] = "newest"
    limit: Annotated[
        int | None,
        Field(ge=1, le=MAX_LIMIT, description=f"If absent, {DEFAULT_LIMIT} for a page, and no limit for an export"),
    ] = None
    cursor: Cursor = None
    format: Annotated[Format, Field(description="A page, or an export that is streamed")] = "json"


class EventQuery(Input):
    """Which events to read, and how long to wait for the first."""

    after: Annotated[int, Field(ge=0, description="The position of the last event that was seen; 0 for none")] = 0
    table: Annotated[str | None, Field(max_length=200, pattern=NO_NUL)] = None
    since: Annotated[Instant | None, Field(alias="from", description="The first `known_at`, included")] = None
    until: Annotated[Instant | None, Field(alias="to", description="The last `known_at`, excluded")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_EVENTS)] = MAX_EVENTS
    wait: Annotated[float, Field(ge=0, le=30, description="Seconds to wait for an event, if there is none yet")] = 0


class PerformanceQuery(TimeRangeQuery):
    """Which predictions to score, and how to group them."""

    window: Annotated[
        str | None,
        Field(
            pattern="^[1-9][0-9]{0,3}[mhdw]$",
            description="The length of time before `until`, or before now: 90m, 24h (the default), 7d, 4w",
        ),
    ] = None
    by: By = "none"
    bins: Annotated[int, Field(ge=1, le=100, description="The number of rows of the calibration table")] = 15
    calibration: Annotated[
        Widths,
        Field(description="What its rows have in common: equally many predictions, or an equal range of probabilities"),
    ] = "equal_counts"

    @field_validator("window")
    @classmethod
    def _without_since(cls, window: str | None, info: ValidationInfo) -> str | None:
        if window is not None and info.data.get("since") is not None:
            raise ValueError("should be left out where since is given, because both say when the time range begins")
        return window

    def time_range(self) -> tuple[datetime, datetime]:
        """The start and the end; before 1970 there are no predictions. Raises ProblemError (422) for a start to come."""
        until, window = self.until or now(), self.window or "24h"
        if self.since and self.since > until:
            field_error = FieldError("since", f"a moment not after until, {until}", str(self.since))
            raise ProblemError(422, "The time range ends before it begins.", [field_error])
        length = int(window[:-1]) * UNITS[window[-1]]
        return self.since or until - min(length, max(until - EPOCH, timedelta())), until
