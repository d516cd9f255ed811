"""The recipe for flights out of New York: features as of ``horizon_hours`` before each scheduled departure.

`history` holds what is known, `timetable` what is planned, `columns` answers for any flights at any moments. The stages ask
for all flights of the tables at their own moment.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.config.settings import CLOSED, Data
from pipeline.recipes.flights.columns import HISTORY_DAYS, PLANNED_AHEAD, answer
from pipeline.recipes.flights.history import History
from pipeline.recipes.flights.live import TABLE
from pipeline.recipes.flights.timetable import HOUR, Timetable
from pipeline.recipes.part import Part, Reach

__all__ = ["HISTORY_DAYS", "History", "Options", "Timetable", "answer", "examples", "features", "reach"]


@dataclass(frozen=True, config=CLOSED)
class Options:
    """``data.horizon_hours``, from prediction to departure, and ``data.late_minutes``, from which a flight is late."""

    horizon_hours: Annotated[float, Field(ge=0, le=24)]
    late_minutes: Annotated[int, Field(ge=1, le=600)]


def reach(_tables: Collection[str], options: Options) -> Reach:
    """A partition of flights looks back on those of HISTORY_DAYS before its predictions, and on the timetable ahead."""
    return Reach(TABLE, timedelta(days=HISTORY_DAYS, hours=options.horizon_hours), timedelta(minutes=PLANNED_AHEAD))


def examples(
    tables: Mapping[str, pd.DataFrame], data: Data, options: Options, part: Part | None = None
) -> tuple[pd.DataFrame, dict[str, int]]:
    """One example per flight that arrived, by scheduled departure; and how many flights were cancelled, or diverted.

    With a ``part`` only its rows of the flights table are asked for.
    """
    history = History(tables, options.late_minutes)
    rows = history.rows_at(part.rows if part else slice(None))
    has_departed, has_landed = history.has_departed[rows], history.has_landed[rows]
    left_out = {"cancelled": int((~has_departed).sum()), "diverted": int((has_departed & ~has_landed).sum())}
    arrived = rows[has_landed]
    frame = _features(history, history.known.take(arrived), options)[list(data.columns)]
    is_late = history.is_late[arrived].astype(np.int8)
    return frame.assign(**{data.target.name: is_late}).reset_index(drop=True), left_out


def features(tables: Mapping[str, pd.DataFrame], options: Options) -> pd.DataFrame:
    """The features of every flight, cancelled ones too, by scheduled departure; the index is that of the flights table."""
    history = History(tables, options.late_minutes)
    return _features(history, history.known, options)


def _features(history: History, asked: Timetable, options: Options) -> pd.DataFrame:
    moment = asked.scheduled_at - round(options.horizon_hours * HOUR)
    return pd.DataFrame(answer(history, asked, moment), index=asked.flights.index)
