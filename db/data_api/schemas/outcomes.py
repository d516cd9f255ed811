"""Schemas of outcomes."""

from typing import Annotated, NotRequired

from pydantic import AfterValidator, ConfigDict, Field, StrictBool
from typing_extensions import TypedDict

from data_api.schemas.types import Id, Moment


class OutcomeCreate(TypedDict):
    """The outcome of one prediction."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    prediction_id: Id
    outcome: Annotated[StrictBool, Field(description="Whether it came true")]
    time: NotRequired[
        Annotated[
            Moment | None, Field(description="The time at which it was known; the time at which it arrives, if absent")
        ]
    ]


def _with_time(outcome: OutcomeCreate) -> OutcomeCreate:
    outcome.setdefault("time", None)
    return outcome


Outcome = Annotated[OutcomeCreate, AfterValidator(_with_time)]
