"""Schemas of outcomes."""

from typing import Annotated, NotRequired

from pydantic import ConfigDict, Field, StrictBool
from typing_extensions import TypedDict

from data_api.schemas.types import MAX_ROWS, Input, PastId, PastInstant


class OutcomeCreate(TypedDict):
    """The outcome of one prediction."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    prediction_id: PastId
    outcome: Annotated[StrictBool, Field(description="Whether it came true")]
    time: NotRequired[
        Annotated[
            PastInstant | None, Field(description="The time at which it was known; the time at which it arrives, if absent")
        ]
    ]


class Outcomes(Input):
    """Outcomes to record."""

    outcomes: Annotated[list[OutcomeCreate], Field(min_length=1, max_length=MAX_ROWS)]
