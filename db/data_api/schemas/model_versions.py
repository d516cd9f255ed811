"""Schemas of model versions: the reference distributions of their training rows, in the form of `schema.json`."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, Strict, StringConstraints, model_validator

from data_api.schemas.types import NO_NUL, Input, Share, Text

MAX_COLUMNS = MAX_BINS = 1000
Edge = Annotated[FiniteFloat, Strict()]
Category = Annotated[str, StringConstraints(max_length=1000)]


class Numbers(Input):
    """The share of the training rows in each bin of a number; a value that equals an edge belongs to the bin below it."""

    missing: Share
    edges: Annotated[list[Edge], Field(max_length=MAX_BINS)]
    shares: Annotated[list[Share], Field(min_length=1, max_length=MAX_BINS + 1)]

    @model_validator(mode="after")
    def _in_order(self) -> "Numbers":
        if len(self.shares) != len(self.edges) + 1 or any(left >= right for left, right in pairwise(self.edges)):
            raise ValueError("should have rising edges, and one share more than edges")
        return self


class Categories(Input):
    """The share of the training rows in each of the most frequent categories."""

    missing: Share
    shares: Annotated[dict[Category, Share], Field(max_length=MAX_BINS)]


class Reference(Input):
    """The reference distributions of a model, without those of datetimes, which always move."""

    columns: Annotated[dict[Text, Numbers | Categories], Field(max_length=MAX_COLUMNS)]
    probability: Numbers | None = Field(description="Of predictions for rows that the model was not fitted on")


class SourceColumn(Input):
    """A column of a source table, and what its values are held to."""

    kind: Literal["number", "category", "datetime"]
    minimum: Edge | None = None
    maximum: Edge | None = None
    categories: Annotated[list[Category], Field(max_length=MAX_COLUMNS)] | None = None
    nullable: Annotated[bool, Strict()] = True


class SourceTable(Input):
    """A source table of a model's features: the columns that name a row, and all columns."""

    key: Annotated[list[Text], Field(min_length=1, max_length=MAX_COLUMNS)]
    columns: Annotated[dict[Text, SourceColumn], Field(min_length=1, max_length=MAX_COLUMNS)]

    @model_validator(mode="after")
    def _has_key(self) -> "SourceTable":
        if missing := [name for name in self.key if name not in self.columns]:
            raise ValueError(f"should have the columns of its key; {', '.join(missing)} is not there")
        return self


class ModelVersionCreate(Input):
    """A version of a model."""

    model_name: Text
    question: Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=NO_NUL)] | None = Field(
        None, description="What the model predicts; predictions are scored together with those of the same question only"
    )
    reference: Reference
    tables: Annotated[dict[Text, SourceTable], Field(max_length=MAX_COLUMNS)] | None = Field(
        None, description="The source tables whose events the model's features are computed from; null if callers give them"
    )


class ModelVersionRead(ModelVersionCreate):
    """A version of a model as it is stored."""

    model_version: Text
