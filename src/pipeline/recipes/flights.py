"""The recipe for flights out of New York: features as of ``horizon_hours`` before each scheduled departure.

Moments are whole minutes since 1970 in UTC. A departure is known once it has happened, an arrival once the aircraft is at
its gate, a weather observation once its hour is over; the timetable and the fleet are always known.
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
    divide_or_nan,
    epoch_minutes,
    shrink_towards,
    take_or_nan,
)

HOUR, DAY = 60, 1440
MONTH = 28 * DAY
CANCELLED_AFTER = 6 * HOUR  # a flight that has not departed by then is taken for cancelled and no longer waits
GRACE = 15  # minutes after its scheduled departure from which a flight counts as departed late
TURNAROUND = 30  # minutes: the shortest stay on the ground between two flights of an aircraft
DELAYS_COUNTED = (-15, 240)  # departure delays are clipped to this, so that one stranded flight does not decide a mean
LOSSES_COUNTED = (-90, 120)  # minutes lost between gates, likewise
STRONGEST_WIND = 100  # miles per hour; the single stronger observation, of 1048, is a misprint
OLDEST_WEATHER = 6 * HOUR  # an older observation counts as missing
# The table gives the hour of an observation without its minute. Routine observations are made in minute 51, and
# precipitation is the largest of the hour, so an observation is known only once its hour is over.
OBSERVED_AFTER = HOUR
DECIMALS = 3  # of computed features: the last bits of a cosine depend on the processor
LARGE, SMALL = 50, 5  # weight, in flights, of the mean of all flights in the mean of a large group and of a flight number
DELAYS_REMEMBERED = (-30, 120)  # arrival delays, likewise
BAND, BANDS = 500, 3  # width of a band of distance in miles, and the last band: flights of one band meet similar winds
SWAPS_FOLLOWED = 2  # departures that are passed over in search of the aircraft's real previous one
ORIGIN_ZONE = "America/New_York"
UNLISTED_ZONES = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")  # missing from the airports table


@dataclass(frozen=True, config=CLOSED)
class Options:
    """``data.horizon_hours``, from prediction to departure, and ``data.late_minutes``, from which a flight is late."""

    horizon_hours: Annotated[float, Field(ge=0, le=24)]
    late_minutes: Annotated[int, Field(ge=1, le=600)]


def examples(tables: Mapping[str, pd.DataFrame], data: Data, options: Options) -> tuple[pd.DataFrame, dict[str, int]]:
    """One example per flight that arrived, by scheduled departure; and how many flights were cancelled, or diverted."""
    timeline = FlightTimeline(tables["flights"], tables["airports"], options)
    label = timeline.is_late.astype(np.int8)
    frame = _features(timeline, tables)[list(data.columns)].assign(**{data.target.name: label})
    diverted = timeline.has_departed & ~timeline.has_landed
    left_out = {"cancelled": int((~timeline.has_departed).sum()), "diverted": int(diverted.sum())}
    return frame[timeline.has_landed].reset_index(drop=True), left_out


def features(tables: Mapping[str, pd.DataFrame], options: Options) -> pd.DataFrame:
    """The features of every flight, cancelled ones too, by scheduled departure; the index is that of the flights table."""
    return _features(FlightTimeline(tables["flights"], tables["airports"], options), tables)


class FlightTimeline:
    """All flights in time order: when each was scheduled, departed and arrived, and the moment of its prediction."""

    def __init__(self, flights: pd.DataFrame, airports: pd.DataFrame, options: Options) -> None:
        flights = flights.iloc[np.argsort(_scheduled_departures(flights), kind="stable")]
        self.flights = flights
        self.scheduled_at = _scheduled_departures(flights)
        self.predicted_at: Integers = self.scheduled_at - round(options.horizon_hours * HOUR)
        self.has_departed: Flags = flights["dep_delay"].notna().to_numpy()
        self.has_landed: Flags = flights["arr_delay"].notna().to_numpy()
        self.departure_delay = _integers(flights["dep_delay"])
        self.arrival_delay = _integers(flights["arr_delay"])
        self.is_late: Flags = self.arrival_delay >= options.late_minutes
        offset = _offset_from_origin(flights["dest"], airports, self.scheduled_at)
        clock_minutes = _clock_minutes(flights["sched_arr_time"]) - _clock_minutes(flights["sched_dep_time"])
        self.block_minutes: Integers = (clock_minutes - offset) % DAY  # from gate to gate in the timetable
        self.departed_at = np.where(self.has_departed, self.scheduled_at + self.departure_delay, NEVER)
        self.arrived_at = np.where(self.has_landed, self.scheduled_at + self.block_minutes + self.arrival_delay, NEVER)
        self.direction = codes(pd.Series(offset), np.minimum(flights["distance"] // BAND, BANDS).reset_index(drop=True))

    @cached_property
    def keys(self) -> dict[str, Integers]:
        """The group of each flight as an integer code, by the name of the grouping."""
        flights = self.flights
        return {
            "everywhere": np.zeros(len(flights), dtype=np.int64),
            "origin": codes(flights["origin"]),
            "carrier": codes(flights["carrier"]),
            "destination": codes(flights["dest"]),
            "origin_carrier": codes(flights["origin"], flights["carrier"]),
            "route": codes(flights["origin"], flights["dest"], flights["carrier"]),
            "flight": codes(flights["carrier"], flights["flight"], flights["origin"], flights["dest"]),
            "direction": self.direction,
            "aircraft": codes(flights["tailnum"]),
        }

    def landed_within(self, group: str, length: int) -> dict[str, Integers]:
        """Counts and sums over the flights of each group that landed in the ``length`` minutes before each prediction."""
        return self._arrivals[group].window(self.keys[group], self.predicted_at, length)

    def landed_mean(self, name: str, group: str, length: int) -> Floats:
        """The mean of a value over each group's flights that landed in the ``length`` minutes before each prediction."""
        return self._arrivals[group].mean(name, self.keys[group], self.predicted_at, length)

    @cached_property
    def _arrivals(self) -> dict[str, Timeline]:
        """The flights of each group by the moment of their arrival."""
        lost_minutes = self.arrival_delay - self.departure_delay  # between the two gates; made up where negative
        values: dict[str, Integers | Flags] = {
            "lost": np.clip(lost_minutes, *LOSSES_COUNTED),
            "late": self.is_late,
            "delay": np.clip(self.arrival_delay, *DELAYS_REMEMBERED),
            "elapsed": self.block_minutes + lost_minutes,
        }
        groups = {name: key for name, key in self.keys.items() if name != "aircraft"}
        return {name: Timeline(key, self.arrived_at, self.has_landed, **values) for name, key in groups.items()}


def _features(timeline: FlightTimeline, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    columns = {
        **_schedule_features(timeline),
        **_weather_features(timeline, tables["weather"]),
        **_departure_features(timeline),
        **_backlog_features(timeline),
        **_arrival_features(timeline),
        **_history_features(timeline),
        **_aircraft_features(timeline, tables["planes"]),
    }
    frame = pd.DataFrame(columns, index=timeline.flights.index)
    computed = frame.select_dtypes("float64")
    return frame.assign(**computed.round(DECIMALS))


def _schedule_features(timeline: FlightTimeline) -> dict[str, object]:
    flights, origin = timeline.flights, timeline.keys["origin"]
    planned = Timeline(origin, timeline.scheduled_at)
    clock_time = pd.to_timedelta(_clock_minutes(flights["sched_dep_time"]), unit="m")
    local_time = pd.to_datetime(flights[["year", "month", "day"]]) + clock_time
    return {
        "scheduled_departure": local_time.astype("datetime64[s]"),
        "origin": flights["origin"],
        "carrier": flights["carrier"],
        "destination": flights["dest"],
        "distance": flights["distance"],
        "planned_departures_between": planned.window(origin, timeline.scheduled_at, 2 * HOUR)["count"],
        "planned_departures_after": planned.window(origin, timeline.scheduled_at + HOUR, HOUR)["count"],
    }


def _weather_features(timeline: FlightTimeline, weather: pd.DataFrame) -> dict[str, Floats]:
    """The last observation, without temperature and dew point.

    Those two reveal the season, which misleads a model in a season that it was not trained on: between quarters of the
    training period they raise the calibration error (ECE) from 0.017 to 0.025.
    """
    airports = codes(pd.concat([weather["origin"], timeline.flights["origin"]], ignore_index=True))
    station, origin = airports[: len(weather)], airports[len(weather) :]
    observed_at = epoch_minutes(weather["time_hour"]) + OBSERVED_AFTER
    observations = Timeline(station, observed_at)
    row = observations.last_row(origin, timeline.predicted_at)
    row = np.where(timeline.predicted_at - take_or_nan(observed_at, row) <= OLDEST_WEATHER, row, -1)
    wind = weather["wind_speed"].where(weather["wind_speed"] <= STRONGEST_WIND)
    direction = np.deg2rad(weather["wind_dir"])
    values = {
        "humidity": weather["humid"],
        "pressure": weather["pressure"],
        "precipitation": weather["precip"],
        "visibility": weather["visib"],
        "wind_speed": wind,
        "wind_north": wind * np.cos(direction),
        "wind_east": wind * np.sin(direction),
    }
    last_rows = (
        observations.last_row(np.full_like(origin, airport), timeline.predicted_at) for airport in np.unique(origin)
    )
    lowest_visibility = np.fmin.reduce([take_or_nan(weather["visib"], airport_row) for airport_row in last_rows])
    return {**{name: take_or_nan(value, row) for name, value in values.items()}, "lowest_visibility": lowest_visibility}


def _departure_features(timeline: FlightTimeline) -> dict[str, Floats]:
    """Mean delay of the observed departures, and the share of the flights due that departed late or not yet."""
    features, predicted_at = {}, timeline.predicted_at
    windows = {"origin": (1, 3, 6), "carrier": (1, 3, 6), "destination": (1, 3, 6), "origin_carrier": (1,)}
    delay = np.clip(timeline.departure_delay, *DELAYS_COUNTED)
    for group, hours in windows.items():
        key = timeline.keys[group]
        departures = Timeline(key, timeline.departed_at, timeline.has_departed, delay=delay)
        for length in hours:
            features[f"departure_delay_{group}_{length}h"] = departures.mean("delay", key, predicted_at, length * HOUR)
    tardy = ~timeline.has_departed | (timeline.departure_delay > GRACE)
    for group, length in (("origin", 1), ("origin_carrier", 3)):
        key = timeline.keys[group]
        scheduled = Timeline(key, timeline.scheduled_at, tardy=tardy)
        share = scheduled.mean("tardy", key, predicted_at, length * HOUR + GRACE, GRACE)
        features[f"departed_late_{group}_{length}h"] = share
    return features


def _backlog_features(timeline: FlightTimeline) -> dict[str, object]:
    """The backlog: flights past their scheduled departure that have not departed."""
    features: dict[str, object] = {}
    until = np.minimum(timeline.departed_at, timeline.scheduled_at + CANCELLED_AFTER)
    for group in ("everywhere", "origin", "destination"):
        key = timeline.keys[group]
        count, age = OpenIntervals(key, timeline.scheduled_at, until).count_open(key, timeline.predicted_at)
        features[f"waiting_{group}"] = count
        if group == "everywhere":
            features["waiting_minutes_everywhere"] = divide_or_nan(age, count)
    return features


def _arrival_features(timeline: FlightTimeline) -> dict[str, Floats]:
    """Minutes lost by the flights that landed in the last hours, and the share of them that was late."""
    lost = (("direction", 3), ("direction", 6), ("destination", 6), ("destination", 24), ("origin", 3))
    late = (("everywhere", 24), ("origin_carrier", 24), ("carrier", 6))
    return {
        **{f"lost_minutes_{group}_{hours}h": timeline.landed_mean("lost", group, hours * HOUR) for group, hours in lost},
        **{f"arrived_late_{group}_{hours}h": timeline.landed_mean("late", group, hours * HOUR) for group, hours in late},
    }


def _history_features(timeline: FlightTimeline) -> dict[str, Floats]:
    """Means over the flights that landed in the last four weeks; those of small groups are shrunk towards all flights'."""
    rate, delay, lost = (timeline.landed_mean(name, "everywhere", MONTH) for name in ("late", "delay", "lost"))
    origin, carrier, flight, destination = (
        timeline.landed_within(group, MONTH) for group in ("origin", "carrier", "flight", "destination")
    )
    block_minutes, since_yesterday = timeline.block_minutes, DAY + 3 * HOUR
    return {
        "arrived_late_origin_28d": shrink_towards(rate, origin["late"], origin["count"], LARGE),
        "arrived_late_carrier_28d": shrink_towards(rate, carrier["late"], carrier["count"], LARGE),
        "arrived_late_flight_28d": shrink_towards(rate, flight["late"], flight["count"], SMALL),
        "arrival_delay_flight_28d": shrink_towards(delay, flight["delay"], flight["count"], SMALL),
        "arrival_delay_flight_1d": timeline.landed_mean("delay", "flight", since_yesterday),
        "lost_minutes_destination_28d": shrink_towards(lost, destination["lost"], destination["count"], LARGE),
        "spare_minutes_route_28d": block_minutes - timeline.landed_mean("elapsed", "route", MONTH),
        "spare_minutes_destination_1d": block_minutes - timeline.landed_mean("elapsed", "destination", since_yesterday),
    }


def _aircraft_features(timeline: FlightTimeline, planes: pd.DataFrame) -> dict[str, Floats]:
    """The previous observed departure of the aircraft from New York, and the time between that flight and this one."""
    tail_number, key = timeline.flights["tailnum"], timeline.keys["aircraft"]
    has_number = tail_number.notna().to_numpy()
    departures = Timeline(key, timeline.departed_at, timeline.has_departed & has_number)
    last_row = np.where(has_number, departures.last_row(key, timeline.predicted_at), -1)
    row = _previous_departure(timeline, departures, last_row)
    departed_at, arrived_at = take_or_nan(timeline.departed_at, row), take_or_nan(timeline.arrived_at, row)
    block_minutes = take_or_nan(timeline.block_minutes, row)
    has_landed = arrived_at <= timeline.predicted_at
    at_destination = np.where(has_landed, arrived_at, departed_at + block_minutes)
    seats = tail_number.map(planes.drop_duplicates("tailnum").set_index("tailnum")["seats"])
    return {
        "aircraft_departure_delay": take_or_nan(timeline.departure_delay, row),
        "aircraft_arrival_delay": np.where(has_landed, take_or_nan(timeline.arrival_delay, row), np.nan),
        "aircraft_minutes_since_departure": np.clip(timeline.predicted_at - departed_at, 0, 7 * DAY),
        "aircraft_spare_minutes": np.clip(timeline.scheduled_at - at_destination - block_minutes, -300, 2 * DAY),
        "seats": seats.to_numpy(np.float64),
    }


def _previous_departure(timeline: FlightTimeline, departures: Timeline, row: Integers) -> Integers:
    """The last departure after which the timetable leaves time to fly there, turn round and come back; else -1.

    Of the departures up to ``row`` the last three are tried. The table names the aircraft that flew in the end: where the
    timetable leaves no time to return, the aircraft was swapped in later, so that at the moment of prediction nobody knew
    that this departure would precede the flight.
    """
    for _ in range(SWAPS_FOLLOWED):
        too_short = (row >= 0) & ~_leaves_time_to_return(timeline, row)
        before = np.where(too_short, timeline.departed_at[row] - 1, 0)
        row = np.where(too_short, departures.last_row(timeline.keys["aircraft"], before), row)
    return np.where((row >= 0) & _leaves_time_to_return(timeline, row), row, -1)


def _leaves_time_to_return(timeline: FlightTimeline, row: Integers) -> Flags:
    minutes_between = timeline.scheduled_at - timeline.scheduled_at[row]
    enough: Flags = minutes_between - 2 * timeline.block_minutes[row] >= TURNAROUND
    return enough


def _scheduled_departures(flights: pd.DataFrame) -> Integers:
    """Scheduled departures in minutes since 1970: the UTC hour that the table gives, plus the minute."""
    return epoch_minutes(flights["time_hour"]) + _integers(flights["minute"])


def _clock_minutes(times: pd.Series) -> Integers:
    """Minutes after midnight of clock times that the table writes as 1705 for 17:05."""
    hours, minutes = np.divmod(_integers(times), 100)
    return hours * HOUR + minutes


def _integers(values: pd.Series) -> Integers:
    """The values as integers, 0 where missing."""
    return np.asarray(values.fillna(0), np.int64)


def _offset_from_origin(destinations: pd.Series, airports: pd.DataFrame, moment: Integers) -> Integers:
    """Minutes by which the destination's clock is ahead of New York's at each moment; 0 for an unknown destination."""
    zone_names = airports.drop_duplicates("faa").set_index("faa")["tzone"].to_dict()
    zones = destinations.map({**zone_names, **UNLISTED_ZONES}).fillna(ORIGIN_ZONE)
    utc = pd.DatetimeIndex(moment.astype("datetime64[m]").astype("datetime64[s]"), tz="UTC")
    ahead = np.zeros(len(moment), dtype=np.int64)
    origin_time = utc.tz_convert(ORIGIN_ZONE).tz_localize(None)
    for zone in zones.unique():
        rows = (zones == zone).to_numpy()
        local_time = utc[rows].tz_convert(zone).tz_localize(None)
        ahead[rows] = (local_time - origin_time[rows]) // pd.Timedelta(minutes=1)
    return ahead
