"""The recipe for flights out of New York: features as of ``horizon_hours`` before each scheduled departure.

`history` holds what is known, `timetable` what is planned, `columns` answers for any flights at any moments. The stages ask
for all flights of the tables at their own moment.
"""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.config.settings import CLOSED, Data
from pipeline.recipes.flights.columns import HISTORY_DAYS, answer
from pipeline.recipes.flights.history import History
from pipeline.recipes.flights.timetable import HOUR, Timetable

__all__ = ["HISTORY_DAYS", "History", "Options", "Timetable", "answer", "examples", "features"]


@dataclass(frozen=True, config=CLOSED)
class Options:
    """``data.horizon_hours``, from prediction to departure, and ``data.late_minutes``, from which a flight is late."""

    horizon_hours: Annotated[float, Field(ge=0, le=24)]
    late_minutes: Annotated[int, Field(ge=1, le=600)]


def examples(tables: Mapping[str, pd.DataFrame], data: Data, options: Options) -> tuple[pd.DataFrame, dict[str, int]]:
    """One example per flight that arrived, by scheduled departure; and how many flights were cancelled, or diverted."""
    history = History(tables, options.late_minutes)
    frame = _features(history, options)[list(data.columns)].assign(**{data.target.name: history.is_late.astype(np.int8)})
    diverted = history.has_departed & ~history.has_landed
    left_out = {"cancelled": int((~history.has_departed).sum()), "diverted": int(diverted.sum())}
    return frame[history.has_landed].reset_index(drop=True), left_out


def features(tables: Mapping[str, pd.DataFrame], options: Options) -> pd.DataFrame:
    """The features of every flight, cancelled ones too, by scheduled departure; the index is that of the flights table."""
    return _features(History(tables, options.late_minutes), options)


def _features(history: History, options: Options) -> pd.DataFrame:
    moment = history.known.scheduled_at - round(options.horizon_hours * HOUR)
    return pd.DataFrame(answer(history, history.known, moment), index=history.known.flights.index)
