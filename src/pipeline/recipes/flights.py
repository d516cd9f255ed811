"""The recipe for flights out of New York: what was known of each, ``horizon_hours`` before its scheduled departure.

Moments are whole minutes in UTC. A departure is known once it has happened, an arrival once the aircraft is at its gate, a
weather observation once its hour is over; the timetable and the fleet are known throughout.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.config.settings import CLOSED, Data
from pipeline.features.point_in_time import (
    NEVER,
    Flags,
    Floats,
    Integers,
    OpenIntervals,
    Timeline,
    codes,
    minutes,
    picked,
    ratio,
    shrunk,
)
from pipeline.recipes.examples import Examples

HOUR, DAY = 60, 1440
MONTH = 28 * DAY
GIVE_UP = 6 * HOUR  # a flight that has not left by then has left the queue: it is taken for cancelled
GRACE = 15  # minutes after which a flight that was due counts as late at its origin
TURNAROUND = 30  # the shortest stay between two flights of an aircraft
DELAYS_COUNTED = (-15, 240)  # departure delays are clipped to this, so that one stranded flight is not a whole airport
LOSSES_COUNTED = (-90, 120)  # minutes lost between gates, likewise
STRONGEST_WIND = 100  # miles per hour; the one stronger observation, of 1048, is a misprint
OLDEST_WEATHER = 6 * HOUR
# The table names an observation by its hour without the minutes, and routine ones are made in the 51st; its precipitation is
# the largest of the hour. So nothing of an hour is known before the hour is over.
OBSERVED_AFTER = HOUR
DECIMALS = 3  # of computed numbers: the last bits of a cosine depend on the processor
LARGE, SMALL = 50, 5  # flights as which the mean of all counts in the history of a large group, and of one flight number
DELAYS_REMEMBERED = (-30, 120)
BAND, BANDS = 500, 3  # miles, and the last band: flights of like distance and direction meet like winds
SWAPS_FOLLOWED = 2
ORIGIN_ZONE = "America/New_York"
UNLISTED_ZONES = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")  # missing from the airports table


@dataclass(frozen=True, config=CLOSED)
class Options:
    """``data.horizon_hours`` and ``data.late_minutes``."""

    horizon_hours: Annotated[float, Field(ge=0, le=24)]
    late_minutes: Annotated[int, Field(ge=1, le=600)]


def examples(tables: Mapping[str, pd.DataFrame], data: Data, options: Options) -> Examples:
    """Every flight that arrived, in the order of scheduled departure; cancelled and diverted ones are counted."""
    log = FlightTimeline(tables["flights"], tables["airports"], options)
    label = log.late.astype(np.int8)
    frame = _features(log, tables)[list(data.columns)].assign(**{data.target.name: label})
    left_out = {"cancelled": int((~log.left).sum()), "diverted": int((log.left & ~log.landed).sum())}
    return Examples(frame[log.landed].reset_index(drop=True), left_out)


def features(tables: Mapping[str, pd.DataFrame], options: Options) -> pd.DataFrame:
    """What was known of every flight, cancelled ones too, in the order of scheduled departure under their own index."""
    return _features(FlightTimeline(tables["flights"], tables["airports"], options), tables)


class FlightTimeline:
    """All flights in time order: when each was due, left and landed, and the moment at which its lateness is predicted."""

    def __init__(self, flights: pd.DataFrame, airports: pd.DataFrame, options: Options) -> None:
        flights = flights.iloc[np.argsort(_scheduled(flights), kind="stable")]
        self.flights = flights
        self.scheduled = _scheduled(flights)
        self.now: Integers = self.scheduled - round(options.horizon_hours * HOUR)
        self.left: Flags = flights["dep_delay"].notna().to_numpy()
        self.landed: Flags = flights["arr_delay"].notna().to_numpy()
        self.departure_delay = _whole(flights["dep_delay"])
        self.arrival_delay = _whole(flights["arr_delay"])
        self.late: Flags = self.arrival_delay >= options.late_minutes
        ahead = _zone_ahead(flights["dest"], airports, self.scheduled)
        self.block: Integers = (_clock(flights["sched_arr_time"]) - _clock(flights["sched_dep_time"]) - ahead) % DAY
        self.departed = np.where(self.left, self.scheduled + self.departure_delay, NEVER)
        self.arrived = np.where(self.landed, self.scheduled + self.block + self.arrival_delay, NEVER)
        self.direction = codes(pd.Series(ahead), np.minimum(flights["distance"] // BAND, BANDS).reset_index(drop=True))

    @cached_property
    def keys(self) -> dict[str, Integers]:
        """The groups in which flights are counted, by name."""
        of = self.flights
        return {
            "everywhere": np.zeros(len(of), dtype=np.int64),
            "origin": codes(of["origin"]),
            "carrier": codes(of["carrier"]),
            "destination": codes(of["dest"]),
            "origin_carrier": codes(of["origin"], of["carrier"]),
            "route": codes(of["origin"], of["dest"], of["carrier"]),
            "flight": codes(of["carrier"], of["flight"], of["origin"], of["dest"]),
            "direction": self.direction,
            "aircraft": codes(of["tailnum"]),
        }

    @cached_property
    def lost(self) -> Integers:
        """Minutes that each landed flight lost (won, where negative) between leaving one gate and reaching the other."""
        lost: Integers = np.clip(self.arrival_delay - self.departure_delay, *LOSSES_COUNTED)
        return lost

    def landings(self, group: str) -> Timeline:
        """The flights of a group by the moment they landed."""
        return Timeline(
            self.keys[group],
            self.arrived,
            self.landed,
            lost=self.lost,
            late=self.late,
            delay=np.clip(self.arrival_delay, *DELAYS_REMEMBERED),
            elapsed=self.block + self.arrival_delay - self.departure_delay,
        )

    def landed_within(self, group: str, length: int) -> dict[str, Integers]:
        """Counts and sums over the group's flights that landed in the last ``length`` minutes before each prediction."""
        return self._landings[group].window(self.keys[group], self.now, length)

    @cached_property
    def _landings(self) -> dict[str, Timeline]:
        return {group: self.landings(group) for group in self.keys if group != "aircraft"}


def _features(log: FlightTimeline, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    columns = {
        **_schedule(log),
        **_weather(log, tables["weather"]),
        **_departures(log),
        **_queues(log),
        **_arrivals(log),
        **_history(log),
        **_aircraft(log, tables["planes"]),
    }
    frame = pd.DataFrame(columns, index=log.flights.index)
    computed = frame.select_dtypes("float64")
    return frame.assign(**computed.round(DECIMALS))


def _schedule(log: FlightTimeline) -> dict[str, object]:
    of, origin = log.flights, log.keys["origin"]
    planned = Timeline(origin, log.scheduled)
    moment = pd.to_datetime(of[["year", "month", "day"]]) + pd.to_timedelta(_clock(of["sched_dep_time"]), unit="m")
    return {
        "scheduled_departure": moment.astype("datetime64[s]"),
        "origin": of["origin"],
        "carrier": of["carrier"],
        "destination": of["dest"],
        "distance": of["distance"],
        "planned_departures_between": planned.window(origin, log.scheduled, 2 * HOUR)["count"],
        "planned_departures_after": planned.window(origin, log.scheduled + HOUR, HOUR)["count"],
    }


def _weather(log: FlightTimeline, weather: pd.DataFrame) -> dict[str, Floats]:
    """The last observation, without temperature and dew point.

    These tell the season, and a model that has not seen the next one goes wrong by them: between quarters of the training
    period they raise the calibration error from 0.017 to 0.025.
    """
    both = codes(pd.concat([weather["origin"], log.flights["origin"]], ignore_index=True))
    station, origin = both[: len(weather)], both[len(weather) :]
    observed_at = minutes(weather["time_hour"]) + OBSERVED_AFTER
    seen = Timeline(station, observed_at)
    row = seen.last(origin, log.now)
    row = np.where(log.now - picked(observed_at, row) <= OLDEST_WEATHER, row, -1)
    wind = weather["wind_speed"].where(weather["wind_speed"] <= STRONGEST_WIND)
    towards = np.deg2rad(weather["wind_dir"])
    observed = {
        "humidity": weather["humid"],
        "pressure": weather["pressure"],
        "precipitation": weather["precip"],
        "visibility": weather["visib"],
        "wind_speed": wind,
        "wind_north": wind * np.cos(towards),
        "wind_east": wind * np.sin(towards),
    }
    everywhere = [picked(weather["visib"], seen.last(np.full_like(origin, place), log.now)) for place in np.unique(origin)]
    lowest = np.fmin.reduce(everywhere)
    return {**{name: picked(values, row) for name, values in observed.items()}, "lowest_visibility": lowest}


def _departures(log: FlightTimeline) -> dict[str, Floats]:
    """Delays of the departures already observed, and the share of the flights due that left late or have not left."""
    found = {}
    windows = {"origin": (1, 3, 6), "carrier": (1, 3, 6), "destination": (1, 3, 6), "origin_carrier": (1,)}
    delay = np.clip(log.departure_delay, *DELAYS_COUNTED)
    for group, hours in windows.items():
        key = log.keys[group]
        seen = Timeline(key, log.departed, log.left, delay=delay)
        for length in hours:
            window = seen.window(key, log.now, length * HOUR)
            found[f"departure_delay_{group}_{length}h"] = ratio(window["delay"], window["count"])
    tardy = ~log.left | (log.departure_delay > GRACE)
    for group, length in (("origin", 1), ("origin_carrier", 3)):
        key = log.keys[group]
        due = Timeline(key, log.scheduled, tardy=tardy).window(key, log.now, length * HOUR + GRACE, GRACE)
        found[f"departed_late_{group}_{length}h"] = ratio(due["tardy"], due["count"])
    return found


def _queues(log: FlightTimeline) -> dict[str, object]:
    """The backlog: flights that should have left and have not."""
    found: dict[str, object] = {}
    until = np.minimum(log.departed, log.scheduled + GIVE_UP)
    for group in ("everywhere", "origin", "destination"):
        count, age = OpenIntervals(log.keys[group], log.scheduled, until).at(log.keys[group], log.now)
        found[f"waiting_{group}"] = count
        if group == "everywhere":
            found["waiting_minutes_everywhere"] = ratio(age, count)
    return found


def _arrivals(log: FlightTimeline) -> dict[str, Floats]:
    """How the flights that landed in the last hours did."""
    found = {}
    for group, length in (("direction", 3), ("direction", 6), ("destination", 6), ("destination", 24), ("origin", 3)):
        window = log.landed_within(group, length * HOUR)
        found[f"lost_minutes_{group}_{length}h"] = ratio(window["lost"], window["count"])
    for group, length in (("everywhere", 24), ("origin_carrier", 24), ("carrier", 6)):
        window = log.landed_within(group, length * HOUR)
        found[f"arrived_late_{group}_{length}h"] = ratio(window["late"], window["count"])
    return found


def _history(log: FlightTimeline) -> dict[str, Floats]:
    """How the flights of the last four weeks did; small groups are drawn towards all flights."""
    overall = log.landed_within("everywhere", MONTH)
    rate, delay, lost = (ratio(overall[name], overall["count"]) for name in ("late", "delay", "lost"))
    origin, carrier, flight, destination, route = (
        log.landed_within(group, MONTH) for group in ("origin", "carrier", "flight", "destination", "route")
    )
    same_flight, same_destination = (log.landed_within(group, DAY + 3 * HOUR) for group in ("flight", "destination"))
    return {
        "arrived_late_origin_28d": shrunk(origin["late"], origin["count"], rate, LARGE),
        "arrived_late_carrier_28d": shrunk(carrier["late"], carrier["count"], rate, LARGE),
        "arrived_late_flight_28d": shrunk(flight["late"], flight["count"], rate, SMALL),
        "arrival_delay_flight_28d": shrunk(flight["delay"], flight["count"], delay, SMALL),
        "arrival_delay_flight_1d": ratio(same_flight["delay"], same_flight["count"]),
        "lost_minutes_destination_28d": shrunk(destination["lost"], destination["count"], lost, LARGE),
        "spare_minutes_route_28d": log.block - ratio(route["elapsed"], route["count"]),
        "spare_minutes_destination_1d": log.block - ratio(same_destination["elapsed"], same_destination["count"]),
    }


def _aircraft(log: FlightTimeline, planes: pd.DataFrame) -> dict[str, Floats]:
    """The aircraft's previous observed departure from New York, and the time that it leaves until this one."""
    of, key = log.flights, log.keys["aircraft"]
    known = of["tailnum"].notna().to_numpy()
    seen = Timeline(key, log.departed, log.left & known)
    row = _feasible(log, seen, np.where(known, seen.last(key, log.now), -1))
    departed = picked(log.departed, row)
    landed = picked(log.arrived, row) <= log.now
    there = np.where(landed, picked(log.arrived, row), departed + picked(log.block, row))
    seats = of["tailnum"].map(planes.drop_duplicates("tailnum").set_index("tailnum")["seats"])
    return {
        "aircraft_departure_delay": picked(log.departure_delay, row),
        "aircraft_arrival_delay": np.where(landed, picked(log.arrival_delay, row), np.nan),
        "aircraft_minutes_since_departure": np.clip(log.now - departed, 0, 7 * DAY),
        "aircraft_spare_minutes": np.clip(log.scheduled - there - picked(log.block, row), -300, 2 * DAY),
        "seats": seats.to_numpy(np.float64),
    }


def _feasible(log: FlightTimeline, seen: Timeline, row: Integers) -> Integers:
    """The last departure after which the timetable leaves time to fly there, turn round and come back; -1 for none of three.

    The table names the aircraft that flew in the end. Where the timetable cannot hold its rotation, it was swapped in later,
    and the departure that gives this away was not yet known to be its predecessor.
    """
    for _ in range(SWAPS_FOLLOWED):
        tight = (row >= 0) & ~_holds(log, row)
        row = np.where(tight, seen.last(log.keys["aircraft"], np.where(tight, log.departed[row] - 1, 0)), row)
    return np.where((row >= 0) & _holds(log, row), row, -1)


def _holds(log: FlightTimeline, row: Integers) -> Flags:
    holds: Flags = log.scheduled - log.scheduled[row] - 2 * log.block[row] >= TURNAROUND
    return holds


def _scheduled(flights: pd.DataFrame) -> Integers:
    """Scheduled departures: the UTC hour that the table gives, and the minute in it."""
    return minutes(flights["time_hour"]) + _whole(flights["minute"])


def _clock(times: pd.Series) -> Integers:
    """Minutes after midnight of clock times written as 1705 for 17:05."""
    whole = _whole(times)
    return whole // 100 * HOUR + whole % 100


def _whole(values: pd.Series) -> Integers:
    """Whole numbers, 0 where missing."""
    return np.asarray(values.fillna(0), np.int64)


def _zone_ahead(destinations: pd.Series, airports: pd.DataFrame, moment: Integers) -> Integers:
    """Minutes by which the destination's clock is ahead of New York's at each moment; 0 for an unknown destination."""
    named = airports.drop_duplicates("faa").set_index("faa")["tzone"].to_dict()
    zones = destinations.map({**named, **UNLISTED_ZONES}).fillna(ORIGIN_ZONE)
    utc = pd.DatetimeIndex(moment.astype("datetime64[m]").astype("datetime64[s]"), tz="UTC")
    ahead = np.zeros(len(moment), dtype=np.int64)
    here = utc.tz_convert(ORIGIN_ZONE).tz_localize(None)
    for zone in zones.unique():
        rows = (zones == zone).to_numpy()
        there = utc[rows].tz_convert(zone).tz_localize(None)
        ahead[rows] = (there - here[rows]) // pd.Timedelta(minutes=1)
    return ahead
