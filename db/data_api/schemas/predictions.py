"""Predictions, as the prediction service sends them and people read them."""

from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from data_api.ids import time_of
from data_api.schemas.fields import Id, Moment, Share, Text

FARTHEST_APART = timedelta(days=1)
MOST_FEATURES = 10_000
Finite = Annotated[float, Field(allow_inf_nan=False)]
Feature = bool | int | Finite | str | None
Kind = Annotated[str, Field(max_length=200)]


class Caution(BaseModel):
    """Something about the record that is unlike the training table."""

    model_config = ConfigDict(extra="forbid")

    field: Kind
    kind: Kind
    detail: str


class Prediction(BaseModel):
    """One prediction."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    prediction_id: Id
    probability: Share
    label: bool
    threshold: Share
    model_version: Text
    warnings: Annotated[list[Caution], Field(max_length=MOST_FEATURES)]
    time: Moment
    model_name: Text
    caller: Text | None = None
    features: Annotated[dict[str, Feature], Field(max_length=MOST_FEATURES, description="The record, by column")]

    @model_validator(mode="after")
    def _one_clock(self) -> "Prediction":
        if abs(self.time - time_of(self.prediction_id)) > FARTHEST_APART:
            raise ValueError(
                f"prediction_id and time should be of one moment; they say {time_of(self.prediction_id)}, {self.time}"
            )
        return self


class Recorded(BaseModel):
    """What became of a request in bulk."""

    recorded: int = Field(ge=0, description="Rows that are new")
    known: int = Field(ge=0, description="Rows that were recorded before, with the same content")


class ShownPrediction(BaseModel):
    """A prediction with its outcome."""

    model_config = ConfigDict(protected_namespaces=())

    prediction_id: UUID
    time: Moment
    model_name: str
    model_version: str
    probability: float
    label: bool
    threshold: float
    caller: str | None
    warnings: list[Caution]
    features: dict[str, Feature]
    outcome: bool | None = Field(description="What came true; null while it is not known")


class Page(BaseModel):
    """Predictions, in the order of their ids."""

    predictions: list[ShownPrediction]
    next: UUID | None = Field(description="The cursor of the next page; null on the last one")


Order = Literal["newest", "oldest"]
Format = Literal["json", "ndjson", "csv"]
