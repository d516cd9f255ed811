"""What is known of flights and weather: sorted by group and moment, so that any moment's view is a lookup.

A departure is known once it has happened, an arrival once the aircraft is at its gate, a weather observation once its hour
is over; the timetable and the fleet are always known.
"""

from collections.abc import Mapping
from functools import cache, cached_property
from zoneinfo import available_timezones

import numpy as np
import pandas as pd

from pipeline.features.point_in_time import (
    NEVER,
    Flags,
    Floats,
    Integers,
    OpenIntervals,
    Timeline,
    Vocabulary,
    epoch_minutes,
)
from pipeline.recipes.flights.timetable import GROUPS, HOUR, Timetable, integers, scheduled_departures

CANCELLED_AFTER = 6 * HOUR  # a flight that has not departed by then is taken for cancelled and no longer waits
GRACE = 15  # minutes after its scheduled departure from which a flight counts as departed late
DELAYS_COUNTED = (-15, 240)  # departure delays are clipped to this, so that one stranded flight does not decide a mean
LOSSES_COUNTED = (-90, 120)  # minutes lost between gates, likewise
DELAYS_REMEMBERED = (-30, 120)  # arrival delays, likewise
STRONGEST_WIND = 100  # miles per hour; the single stronger observation, of 1048, is a misprint
# The table gives the hour of an observation without its minute. Routine observations are made in minute 51, and
# precipitation is the largest of the hour, so an observation is known only once its hour is over.
OBSERVED_AFTER = HOUR
UNLISTED_ZONES = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")  # missing from the airports table
DEPARTING = ("origin", "carrier", "destination", "origin_carrier")  # groups whose departures are looked up
DUE = ("origin", "origin_carrier")  # groups whose flights are looked up by their scheduled departure
WAITING = ("everywhere", "origin", "destination")  # groups whose waiting flights are looked up


class History:
    """What is known: all flights in time order, with what became of them, and the weather, sorted for lookups by moment."""

    def __init__(self, tables: Mapping[str, pd.DataFrame], late_minutes: int) -> None:
        flights = tables["flights"]
        order = np.argsort(scheduled_departures(flights), kind="stable")
        flights, self._row_at = flights.iloc[order], np.argsort(order)
        airports = tables["airports"].drop_duplicates("faa").set_index("faa")
        zones = airports["tzone"]
        self._zones = {**zones[zones.isin(_zone_names())].to_dict(), **UNLISTED_ZONES}
        self._vocabulary = Vocabulary(flights, *{column for columns in GROUPS.values() for column in columns})
        self.known = self.timetable(flights)
        self.has_departed: Flags = flights["dep_delay"].notna().to_numpy()
        self.has_landed: Flags = flights["arr_delay"].notna().to_numpy()
        self.departure_delay = integers(flights["dep_delay"])
        self.arrival_delay = integers(flights["arr_delay"])
        self.is_late: Flags = self.arrival_delay >= late_minutes
        due, block_minutes = self.known.scheduled_at, self.known.block_minutes
        self.departed_at = np.where(self.has_departed, due + self.departure_delay, NEVER)
        self.arrived_at = np.where(self.has_landed, due + block_minutes + self.arrival_delay, NEVER)
        self.weather = Weather(tables["weather"])
        planes = tables["planes"].drop_duplicates("tailnum").set_index("tailnum")
        self._seats = planes["seats"].to_dict()

    def timetable(self, flights: pd.DataFrame) -> Timetable:
        """Rows of the flights table as a timetable whose groups have the codes of this history."""
        return Timetable(flights, self._zones, self._vocabulary)

    def timetable_at(self, places: Integers) -> Timetable:
        """The same of the rows at these places of the table of flights that is known."""
        return self.known.take(self._row_at[places])

    def rows_at(self, places: slice) -> Integers:
        """The rows of what is known, in time order, of these places of the table of flights."""
        return np.sort(self._row_at[places])

    def seats(self, tail_numbers: pd.Series) -> Floats:
        """The seats of each aircraft [n], NaN for one that is not in the fleet list."""
        return np.array([self._seats.get(number, np.nan) for number in tail_numbers.tolist()], np.float64)

    @cached_property
    def planned(self) -> Timeline:
        """The flights of each origin by their scheduled departure."""
        return Timeline(self.known.keys["origin"], self.known.scheduled_at)

    @cached_property
    def departures(self) -> dict[str, Timeline]:
        """The flights of each group that departed, by the moment of their departure."""
        delay = np.clip(self.departure_delay, *DELAYS_COUNTED)
        keys = self.known.keys
        return {
            **{group: Timeline(keys[group], self.departed_at, self.has_departed, delay=delay) for group in DEPARTING},
            "aircraft": Timeline(keys["aircraft"], self.departed_at, self.has_departed & (keys["aircraft"] >= 0)),
        }

    @cached_property
    def due(self) -> dict[str, Timeline]:
        """The flights of each group by their scheduled departure, and whether they left late or not at all."""
        tardy = ~self.has_departed | (self.departure_delay > GRACE)
        return {group: Timeline(self.known.keys[group], self.known.scheduled_at, tardy=tardy) for group in DUE}

    @cached_property
    def waiting(self) -> dict[str, OpenIntervals]:
        """The flights of each group while they are past their scheduled departure and have not departed."""
        due, until = self.known.scheduled_at, np.minimum(self.departed_at, self.known.scheduled_at + CANCELLED_AFTER)
        return {group: OpenIntervals(self.known.keys[group], due, until) for group in WAITING}

    @cached_property
    def arrivals(self) -> dict[str, Timeline]:
        """The flights of each group by the moment of their arrival."""
        lost_minutes = self.arrival_delay - self.departure_delay  # between the two gates; made up where negative
        values: dict[str, Integers | Flags] = {
            "lost": np.clip(lost_minutes, *LOSSES_COUNTED),
            "late": self.is_late,
            "delay": np.clip(self.arrival_delay, *DELAYS_REMEMBERED),
            "elapsed": self.known.block_minutes + lost_minutes,
        }
        groups = {name: key for name, key in self.known.keys.items() if name != "aircraft"}
        return {name: Timeline(key, self.arrived_at, self.has_landed, **values) for name, key in groups.items()}


@cache
def _zone_names() -> set[str]:
    """The time zones that there are; an airport that names another one is taken for an unlisted one."""
    return available_timezones()


class Weather:
    """The observations of each airport by the moment at which they are known."""

    def __init__(self, weather: pd.DataFrame) -> None:
        self._stations = Vocabulary(weather, "origin")
        station = self._stations.codes(weather)["origin"]
        self.observed_at = epoch_minutes(weather["time_hour"]) + OBSERVED_AFTER
        self._observations = Timeline(station, self.observed_at)
        wind = weather["wind_speed"].where(weather["wind_speed"] <= STRONGEST_WIND)
        direction = np.deg2rad(weather["wind_dir"])
        columns = {
            "humidity": weather["humid"],
            "pressure": weather["pressure"],
            "precipitation": weather["precip"],
            "visibility": weather["visib"],
            "wind_speed": wind,
            "wind_north": wind * np.cos(direction),
            "wind_east": wind * np.sin(direction),
        }
        self.values = {name: column.to_numpy(np.float64) for name, column in columns.items()}

    def last_row(self, flights: pd.DataFrame, moment: Integers) -> Integers:
        """The row of the last observation at each flight's origin; -1 for none."""
        return self._observations.last_row(self._stations.codes(flights)["origin"], moment)

    def last_rows_everywhere(self, moment: Integers) -> list[Integers]:
        """The rows of the last observations at each airport."""
        stations = range(self._stations.size("origin"))
        return [self._observations.last_row(np.full_like(moment, station), moment) for station in stations]
