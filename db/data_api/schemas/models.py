"""Models: what their columns held in training, as `schema.json` says it."""

from itertools import pairwise
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, Strict, StringConstraints, model_validator

from data_api.schemas.types import Share, Text

MOST_COLUMNS = MOST_BINS = 1000
CLOSED = ConfigDict(extra="forbid", protected_namespaces=())
Edge = Annotated[FiniteFloat, Strict()]
Category = Annotated[str, StringConstraints(max_length=1000)]


class Numbers(BaseModel):
    """The share of each bin of a number's training rows; a value that equals an edge belongs below it."""

    model_config = CLOSED

    missing: Share
    edges: Annotated[list[Edge], Field(max_length=MOST_BINS)]
    shares: Annotated[list[Share], Field(min_length=1, max_length=MOST_BINS + 1)]

    @model_validator(mode="after")
    def _in_order(self) -> "Numbers":
        if len(self.shares) != len(self.edges) + 1 or any(one >= other for one, other in pairwise(self.edges)):
            raise ValueError("should have rising edges, and one share more than edges")
        return self


class Categories(BaseModel):
    """The share of the most frequent categories of the training rows."""

    model_config = CLOSED

    missing: Share
    shares: Annotated[dict[Category, Share], Field(max_length=MOST_BINS)]


class Reference(BaseModel):
    """What a model was trained on, without datetimes: time moves by nature."""

    model_config = CLOSED

    columns: Annotated[dict[Text, Numbers | Categories], Field(max_length=MOST_COLUMNS)]
    probability: Numbers | None = Field(description="Of training rows that their model had not seen")


class ModelCreate(BaseModel):
    """A version of a model."""

    model_config = CLOSED

    model_name: Text
    reference: Reference


class ModelRead(ModelCreate):
    """A model as it is stored."""

    model_version: Text
