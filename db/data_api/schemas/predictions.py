"""Schemas of predictions."""

from typing import Annotated, Literal, NotRequired
from uuid import UUID

from pydantic import (
    AfterValidator,
    AllowInfNan,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    StrictBool,
    StrictInt,
    StrictStr,
    StringConstraints,
    ValidationInfo,
)
from typing_extensions import TypedDict

from data_api.database.uuid7 import milliseconds_at, milliseconds_of, time_of
from data_api.schemas.types import MAX_ROWS, NO_NUL, Input, Moment, PastId, PastInstant, Share, Text, recent_id

MAX_DIFFERENCE_MILLISECONDS = 24 * 3600 * 1000
MAX_FEATURES = 10_000
# Strict, and tried from left to right, because that is fast: bulk requests hold hundreds of thousands of values.
Finite = Annotated[float, Strict(), AllowInfNan(False)]
Feature = Annotated[StrictInt | Finite | StrictStr | StrictBool | None, Field(union_mode="left_to_right")]
Kind = Annotated[str, Field(max_length=200)]
Subject = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1000, pattern=NO_NUL),
    Field(
        description="What the prediction is about: the key of a row of a source table, as compact JSON in the order of the "
        "key's columns",
        examples=['{"year":2013,"month":10,"day":1,"carrier":"UA","flight":1545,"origin":"EWR"}'],
    ),
]
AsOf = Annotated[PastInstant, Field(description="Its features were computed from what was known at this moment")]
LogPosition = Annotated[
    int, Strict(), Field(ge=0, lt=2**63, description="The position of the last event that was read when they were computed")
]
Official = Annotated[
    bool,
    Strict(),
    Field(
        description="Whether it is the one prediction of its subject that is scored. Its id has the milliseconds of "
        "`as_of`; the first one that is stored stays. A prediction with a subject that is not official is never scored"
    ),
]
OF_SUBJECTS = ("subject", "as_of", "log_position", "official")  # columns that a prediction has all or none of


def _recent_without_subject(prediction_id: UUID, info: ValidationInfo) -> UUID:
    return prediction_id if info.data.get("subject") else recent_id(prediction_id)


class PredictionWarning(TypedDict):
    """A difference between a record and the training table."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    field: Kind
    kind: Kind
    detail: str


class PredictionCreate(TypedDict):
    """A prediction to record."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    subject: NotRequired[Subject | None]  # first, because the id of a prediction with a subject may be older
    as_of: NotRequired[AsOf | None]
    log_position: NotRequired[LogPosition | None]
    official: NotRequired[Official | None]
    prediction_id: Annotated[PastId, AfterValidator(_recent_without_subject)]
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
    prediction.setdefault("caller", None)
    for name in OF_SUBJECTS:
        prediction.setdefault(name, None)  # type: ignore[misc]
    if len({prediction[name] is None for name in OF_SUBJECTS}) > 1:  # type: ignore[literal-required]
        raise ValueError(f"should have all of {', '.join(OF_SUBJECTS)}, or none of them")
    prediction_id, as_of = prediction["prediction_id"], prediction["as_of"]
    milliseconds = milliseconds_of(prediction_id)
    if as_of is not None and milliseconds == milliseconds_at(as_of):
        return prediction
    if prediction["official"]:
        times = f"{prediction_id} and {as_of}"
        raise ValueError(f"prediction_id should have the milliseconds of as_of, because it is official; they are {times}")
    if abs(prediction["time"].timestamp() * 1000 - milliseconds) > MAX_DIFFERENCE_MILLISECONDS:
        times = f"{time_of(prediction_id)} and {prediction['time']}"
        raise ValueError(f"prediction_id and time should be of one moment; they say {times}")
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
    subject: Subject | None
    as_of: AsOf | None
    log_position: LogPosition | None
    official: Official | None
    outcome: bool | None = Field(description="The outcome; null if it is not known yet")


class PredictionList(BaseModel):
    """A page of predictions, ordered by id."""

    predictions: list[PredictionRead]
    next: UUID | None = Field(description="The cursor of the next page; null on the last one")


Order = Literal["newest", "oldest"]
Format = Literal["json", "ndjson", "csv"]
