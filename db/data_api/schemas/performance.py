"""Schemas of scores over predictions with known outcomes."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

By = Literal["none", "model_version", "day", "caller"]
Widths = Literal["equal_counts", "equal_widths"]


class Bin(BaseModel):
    """A row of a calibration table."""

    rows: int
    predicted: float = Field(description="The mean predicted probability")
    observed: float = Field(description="The share with a true outcome")


class Scores(BaseModel):
    """All but the first two are over predictions with known outcomes; an undefined score is null."""

    predictions: int
    outcomes: int = Field(description="Predictions with a known outcome")
    coverage: float | None = Field(description="outcomes / predictions")
    label_rate: float | None = Field(description="The share with a true label")
    outcome_rate: float | None = Field(description="The share with a true outcome")
    roc_auc: float | None
    average_precision: float | None
    precision: float | None = Field(description="The share with a true outcome among those with a true label")
    recall: float | None = Field(description="The share with a true label among those with a true outcome")
    brier_score: float | None
    brier_standard_error: float | None = Field(
        description="The standard error of brier_score, as the mean of squared errors"
    )
    calibration_error: float | None = Field(description="The mean over rows of |predicted - observed| of their bin")
    calibration: list[Bin] = Field(description="Bins from the lowest probability to the highest, without empty ones")


class Named(BaseModel):
    """The name of a group."""

    group: str | None = Field(description="The model version, day (UTC) or caller; null for predictions without a caller")
    model_name: str = Field(description="The data set")
    question: str | None = Field(description="What the models predict; null if no service reported it")


class Group(Scores, Named):
    """The scores of one group."""


class Performance(BaseModel):
    """The scores of a window of time."""

    since: datetime
    until: datetime
    overall: Scores = Field(description="Without scores if the predictions answer several questions: then see the groups")
    groups: list[Group]
