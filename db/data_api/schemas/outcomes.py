"""Outcomes: what came true."""

from typing import Annotated, NotRequired

from pydantic import AfterValidator, ConfigDict, Field, StrictBool
from typing_extensions import TypedDict

from data_api.schemas.types import Id, Moment


class OutcomeCreate(TypedDict):
    """What became of one prediction."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    prediction_id: Id
    outcome: Annotated[StrictBool, Field(description="Whether it came true")]
    time: NotRequired[Annotated[Moment | None, Field(description="When it was known; when it arrives, if absent")]]


def _whole(found: OutcomeCreate) -> OutcomeCreate:
    found.setdefault("time", None)
    return found


Outcome = Annotated[OutcomeCreate, AfterValidator(_whole)]
