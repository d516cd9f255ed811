"""Predictions, as the prediction service sends them and people read them."""

from typing import Annotated, Literal, NotRequired
from uuid import UUID

from pydantic import AfterValidator, AllowInfNan, BaseModel, ConfigDict, Field, Strict, StrictBool, StrictInt, StrictStr
from typing_extensions import TypedDict

from data_api.database.uuid7 import milliseconds_of, time_of
from data_api.schemas.types import Id, Moment, Share, Text

FARTHEST_APART_MILLISECONDS = 24 * 3600 * 1000
MOST_FEATURES = 10_000
# Strict, and tried from the left: bulk requests hold hundreds of thousands of them.
Finite = Annotated[float, Strict(), AllowInfNan(False)]
Feature = Annotated[StrictInt | Finite | StrictStr | StrictBool | None, Field(union_mode="left_to_right")]
Kind = Annotated[str, Field(max_length=200)]


class PredictionWarning(TypedDict):
    """Something about the record that is unlike the training table."""

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
    warnings: Annotated[list[PredictionWarning], Field(max_length=MOST_FEATURES)]
    time: Moment
    model_name: Text
    caller: NotRequired[Text | None]
    features: Annotated[dict[str, Feature], Field(max_length=MOST_FEATURES, description="The record, by column")]


def _whole(found: PredictionCreate) -> PredictionCreate:
    milliseconds = milliseconds_of(found["prediction_id"])
    if abs(found["time"].timestamp() * 1000 - milliseconds) > FARTHEST_APART_MILLISECONDS:
        made = time_of(found["prediction_id"])
        raise ValueError(f"prediction_id and time should be of one moment; they say {made} and {found['time']}")
    found.setdefault("caller", None)
    return found


# A dictionary rather than an object: ten thousand of them are checked in one request, and go on as rows.
Prediction = Annotated[PredictionCreate, AfterValidator(_whole)]


class Recorded(BaseModel):
    """What became of a request in bulk."""

    recorded: int = Field(ge=0, description="Rows that are new")
    known: int = Field(ge=0, description="Rows that were recorded before, with the same content")


class PredictionRead(BaseModel):
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
    warnings: list[PredictionWarning]
    features: dict[str, Feature]
    outcome: bool | None = Field(description="What came true; null while it is not known")


class PredictionList(BaseModel):
    """Predictions, in the order of their ids."""

    predictions: list[PredictionRead]
    next: UUID | None = Field(description="The cursor of the next page; null on the last one")


Order = Literal["newest", "oldest"]
Format = Literal["json", "ndjson", "csv"]
