"""What the board needs to know of flights: which rows are predicted and when, and what became of them."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.features.point_in_time import Integers
from pipeline.recipes.flights.columns import HISTORY_DAYS
from pipeline.recipes.flights.timetable import HOUR, scheduled_departures

SUBJECT, TABLE = "flight", "flights"  # what a prediction is about, and the table that has a row for each
ANNOUNCED_DAYS = 7  # the timetable is sent at most this long before a departure; what is sent earlier is sent again
# How long before a moment an event can have become known that changes its features; None: however long.
LOOK_BACK_DAYS = {
    "flights": HISTORY_DAYS + ANNOUNCED_DAYS,
    "weather": HISTORY_DAYS + ANNOUNCED_DAYS,  # as long, so that people may ask about a moment of last week
    "planes": None,
    "airports": None,
}
# Columns whose first value says by itself when it came true, so that features as of an earlier moment pass over it.
ONCE_KNOWN = {"flights": ("dep_delay", "arr_delay")}
OUTCOME_DAYS = 3  # a flight that has not arrived this long after its prediction was cancelled or diverted
SILENT_HOURS = {"flights": 8, "weather": 3}  # a table without an event for longer is silent; at night hardly a flight moves


def moments(rows: pd.DataFrame, options: Any) -> Integers:
    """The moment of the official prediction of each flight [n], in minutes since 1970."""
    moments: Integers = scheduled_departures(rows) - round(options.horizon_hours * HOUR)
    return moments


def outcomes(rows: pd.DataFrame, options: Any) -> npt.NDArray[np.object_]:
    """Whether each flight [n] was late: True or False, and None while it has not arrived."""
    late = rows["arr_delay"] >= options.late_minutes
    outcomes: npt.NDArray[np.object_] = late.astype("object").where(rows["arr_delay"].notna(), None).to_numpy(object)
    return outcomes


def due_at(rows: pd.DataFrame) -> Integers:
    """The scheduled departure of each flight [n], in minutes since 1970."""
    return scheduled_departures(rows)
