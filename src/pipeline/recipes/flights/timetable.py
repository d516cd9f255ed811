"""The timetable: when flights are due, how long they take from gate to gate, and which groups they belong to.

Moments are whole minutes since 1970 in UTC.
"""

from collections.abc import Mapping
from copy import copy

import numpy as np
import pandas as pd

from pipeline.features.point_in_time import Integers, Vocabulary, epoch_minutes

HOUR, DAY = 60, 1440
BAND, BANDS = 500, 3  # width of a band of distance in miles, and the last band: flights of one band meet similar winds
ORIGIN_ZONE = "America/New_York"
# The columns by which flights are grouped.
GROUPS = {
    "origin": ("origin",),
    "carrier": ("carrier",),
    "destination": ("dest",),
    "origin_carrier": ("origin", "carrier"),
    "route": ("origin", "dest", "carrier"),
    "flight": ("carrier", "flight", "origin", "dest"),
    "aircraft": ("tailnum",),
}


class Timetable:
    """Scheduled flights [n]: when each is due, how long it takes from gate to gate, and its groups as integer codes."""

    def __init__(self, flights: pd.DataFrame, zones: Mapping[str, str], vocabulary: Vocabulary) -> None:
        self.flights = flights
        self.scheduled_at = scheduled_departures(flights)
        offset = _offset_from_origin(flights["dest"], zones, self.scheduled_at)
        on_the_clock = clock_minutes(flights["sched_arr_time"]) - clock_minutes(flights["sched_dep_time"])
        self.block_minutes: Integers = (on_the_clock - offset) % DAY  # from gate to gate in the timetable
        band = np.minimum(integers(flights["distance"]) // BAND, BANDS)
        codes = vocabulary.codes(flights)
        self.keys: dict[str, Integers] = {
            "everywhere": np.zeros(len(flights), dtype=np.int64),
            "direction": (offset + DAY) * (BANDS + 1) + band,
            **{group: vocabulary.combine(codes, *columns) for group, columns in GROUPS.items()},
        }

    def take(self, rows: Integers) -> "Timetable":
        """The flights at these rows of this timetable."""
        taken = copy(self)
        taken.flights = self.flights.iloc[rows]
        taken.scheduled_at, taken.block_minutes = self.scheduled_at[rows], self.block_minutes[rows]
        taken.keys = {name: key[rows] for name, key in self.keys.items()}
        return taken


def scheduled_departures(flights: pd.DataFrame) -> Integers:
    """Scheduled departures in minutes since 1970: the UTC hour that the table gives, plus the minute."""
    return epoch_minutes(flights["time_hour"]) + integers(flights["minute"])


def clock_minutes(times: pd.Series) -> Integers:
    """Minutes after midnight of clock times that the table writes as 1705 for 17:05."""
    hours, minutes = np.divmod(integers(times), 100)
    return hours * HOUR + minutes


def integers(values: pd.Series) -> Integers:
    """The values as integers, 0 where missing."""
    return np.asarray(values.fillna(0), np.int64)


def _offset_from_origin(destinations: pd.Series, zone_names: Mapping[str, str], moment: Integers) -> Integers:
    """Minutes by which the destination's clock is ahead of New York's at each moment; 0 for an unknown destination."""
    zones = np.array([zone_names.get(destination, ORIGIN_ZONE) for destination in destinations.tolist()])
    utc = pd.DatetimeIndex(moment.astype("datetime64[m]").astype("datetime64[s]"), tz="UTC")
    ahead = np.zeros(len(moment), dtype=np.int64)
    origin_time = utc.tz_convert(ORIGIN_ZONE).tz_localize(None)
    for zone in sorted(set(zones) - {ORIGIN_ZONE}):
        rows = zones == zone
        local_time = utc[rows].tz_convert(zone).tz_localize(None)
        ahead[rows] = (local_time - origin_time[rows]) // pd.Timedelta(minutes=1)
    return ahead
