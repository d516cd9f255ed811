"""Schemas of predictions."""

from typing import Annotated, Literal, NotRequired
from uuid import UUID

from pydantic import AfterValidator, AllowInfNan, BaseModel, ConfigDict, Field, Strict, StrictBool, StrictInt, StrictStr
from typing_extensions import TypedDict

from data_api.database.uuid7 import milliseconds_of, time_of
from data_api.schemas.types import MAX_ROWS, Id, Input, Moment, Share, Text

MAX_DIFFERENCE_MILLISECONDS = 24 * 3600 * 1000
MAX_FEATURES = 10_000
# Strict, and tried from left to right, because that is fast: bulk requests hold hundreds of thousands of values.
Finite = Annotated[float, Strict(), AllowInfNan(False)]
Feature = Annotated[StrictInt | Finite | StrictStr | StrictBool | None, Field(union_mode="left_to_right")]
Kind = Annotated[str, Field(max_length=200)]


class PredictionWarning(TypedDict):
    """A difference between a record and the training table."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    field: Kind
    kind: Kind
    detail: str


class PredictionCreate(TypedDict):
    """A prediction to record."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    prediction_id: Id
    probability: Share
    label: StrictBool
    threshold: Share
    model_version: Text
    warnings: Annotated[list[PredictionWarning], Field(max_length=MAX_FEATURES)]
    time: Moment
    model_name: Text
    caller: NotRequired[Text | None]
    features: Annotated[dict[str, Feature], Field(max_length=MAX_FEATURES, description="The record, by column")]


def _checked(prediction: PredictionCreate) -> PredictionCreate:
    prediction_id = prediction["prediction_id"]
    milliseconds = milliseconds_of(prediction_id)
    if abs(prediction["time"].timestamp() * 1000 - milliseconds) > MAX_DIFFERENCE_MILLISECONDS:
        times = f"{time_of(prediction_id)} and {prediction['time']}"
        raise ValueError(f"prediction_id and time should be of one moment; they say {times}")
    prediction.setdefault("caller", None)
    return prediction


# A dictionary rather than an object, because a request holds up to ten thousand, and they are inserted as rows.
Prediction = Annotated[PredictionCreate, AfterValidator(_checked)]


class Predictions(Input):
    """Predictions to record."""

    predictions: Annotated[list[Prediction], Field(min_length=1, max_length=MAX_ROWS)]


class Recorded(BaseModel):
    """The result of a bulk request."""

    recorded: int = Field(ge=0, description="New rows")
    known: int = Field(ge=0, description="Rows that were recorded before, with the same content")


class PredictionRead(BaseModel):
    """A prediction with its outcome."""

    prediction_id: UUID
    time: Moment
    model_name: str
    model_version: str
    probability: float
    label: bool
    threshold: float
    caller: str | None
    warnings: list[PredictionWarning]
    features: dict[str, Feature]
    outcome: bool | None = Field(description="The outcome; null if it is not known yet")


class PredictionList(BaseModel):
    """A page of predictions, ordered by id."""

    predictions: list[PredictionRead]
    next: UUID | None = Field(description="The cursor of the next page; null on the last one")


Order = Literal["newest", "oldest"]
Format = Literal["json", "ndjson", "csv"]
