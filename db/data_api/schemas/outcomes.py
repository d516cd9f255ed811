"""Outcomes: what came true."""

from typing import Annotated, NotRequired

from pydantic import AfterValidator, ConfigDict, Field
from typing_extensions import TypedDict

from data_api.schemas.fields import Id, Moment


class _Outcome(TypedDict):
    __pydantic_config__ = ConfigDict(extra="forbid", title="Outcome")  # type: ignore[misc]

    prediction_id: Id
    outcome: Annotated[bool, Field(description="Whether it came true")]
    time: NotRequired[Annotated[Moment | None, Field(description="When it was known; when it arrives, if absent")]]


def _whole(found: _Outcome) -> _Outcome:
    found.setdefault("time", None)
    return found


Outcome = Annotated[_Outcome, AfterValidator(_whole)]
