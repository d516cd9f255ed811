"""How well the predictions did whose outcome is known."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

By = Literal["none", "model_version", "day", "caller"]


class Bin(BaseModel):
    """One of the equally large parts of a calibration table."""

    rows: int
    predicted: float = Field(description="The mean probability")
    observed: float = Field(description="The share that came true")


class Scores(BaseModel):
    """All but the first two are over the predictions whose outcome is known; null where a score is undefined."""

    predictions: int
    outcomes: int = Field(description="Predictions whose outcome is known")
    coverage: float | None = Field(description="outcomes / predictions")
    label_rate: float | None = Field(description="The share whose label is true")
    outcome_rate: float | None = Field(description="The share that came true")
    roc_auc: float | None
    average_precision: float | None
    brier_score: float | None
    calibration_error: float | None = Field(description="The mean over rows of |predicted - observed| of their bin")
    calibration: list[Bin] = Field(description="Bins of equal counts, from the lowest probability to the highest")


class Named(BaseModel):
    """What a group is called."""

    group: str | None = Field(description="The model version, day (UTC) or caller; null for predictions without a caller")


class Group(Scores, Named):
    """The scores of one group."""


class Performance(BaseModel):
    """The scores of a window of time."""

    since: datetime
    until: datetime
    overall: Scores
    groups: list[Group]
