"""Outcomes: what came true."""

from pydantic import BaseModel, ConfigDict, Field

from data_api.schemas.fields import Id, Moment


class Outcome(BaseModel):
    """What became of one prediction."""

    model_config = ConfigDict(extra="forbid")

    prediction_id: Id
    outcome: bool = Field(description="Whether it came true")
    time: Moment | None = Field(None, description="When it was known; when it arrives, if absent")
