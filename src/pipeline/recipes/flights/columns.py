"""The features of flights that are asked for, each as of its own moment."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.features.point_in_time import Flags, Floats, Integers, divide_or_nan, shrink_towards, take_or_nan
from pipeline.recipes.flights.history import GRACE, WAITING, History
from pipeline.recipes.flights.timetable import DAY, HOUR, Timetable, clock_minutes, integers

MONTH = 28 * DAY
# Features look at what happened in the MONTH before their moment. A flight that departed or landed then was due at most this
# many days before that moment, so nothing older changes a feature.
HISTORY_DAYS = 32
PLANNED_AHEAD = HOUR  # minutes after its scheduled departure for which the timetable is looked at
DEPARTURE_HOURS = {"origin": (1, 3, 6), "carrier": (1, 3, 6), "destination": (1, 3, 6), "origin_carrier": (1,)}
LATE_HOURS = (("origin", 1), ("origin_carrier", 3))
TURNAROUND = 30  # minutes: the shortest stay on the ground between two flights of an aircraft
SWAPS_FOLLOWED = 2  # departures that are passed over in search of the aircraft's real previous one
OLDEST_WEATHER = 6 * HOUR  # an older observation counts as missing
DECIMALS = 3  # of computed features: the last bits of a cosine depend on the processor
LARGE, SMALL = 50, 5  # weight, in flights, of the mean of all flights in the mean of a large group and of a flight number
EPOCH_YEAR = 1970
SECONDS = 60  # of a minute


def answer(history: History, asked: Timetable, moment: Integers) -> dict[str, Any]:
    """The features of the flights ``asked`` for [n], by name: of each, what ``history`` knows at its ``moment`` [n].

    A flight need not be in the history; what the history knows of later moments changes nothing.
    """
    question = Question(history, asked, moment)
    columns = {
        **_schedule_features(question),
        **_weather_features(question),
        **_departure_features(question),
        **_backlog_features(question),
        **_arrival_features(question),
        **_history_features(question),
        **_aircraft_features(question),
    }
    return {name: np.round(value, DECIMALS) if value.dtype == np.float64 else value for name, value in columns.items()}


@dataclass(frozen=True)
class Question:
    """Flights that are ``asked`` for [n], and the ``moment`` of each [n]: nothing that happens later is looked at."""

    history: History
    asked: Timetable
    moment: Integers

    def landed_within(self, group: str, length: int) -> dict[str, Integers]:
        """Counts and sums over the flights of each group that landed in the ``length`` minutes before each moment."""
        return self.history.arrivals[group].window(self.asked.keys[group], self.moment, length)

    def landed_mean(self, name: str, group: str, length: int) -> Floats:
        """The mean of a value over each group's flights that landed in the ``length`` minutes before each moment."""
        return self.history.arrivals[group].mean(name, self.asked.keys[group], self.moment, length)


def _schedule_features(question: Question) -> dict[str, Any]:
    asked, planned = question.asked, question.history.planned
    flights, origin, due = asked.flights, asked.keys["origin"], asked.scheduled_at
    years, months, days = (integers(flights[part]) for part in ("year", "month", "day"))
    month = (years - EPOCH_YEAR) * 12 + months - 1
    day = month.astype("datetime64[M]").astype("datetime64[D]") + (days - 1)
    return {
        "scheduled_departure": day.astype("datetime64[s]") + clock_minutes(flights["sched_dep_time"]) * SECONDS,
        "origin": flights["origin"].array,
        "carrier": flights["carrier"].array,
        "destination": flights["dest"].array,
        "distance": flights["distance"].array,
        "planned_departures_between": planned.window(origin, due, 2 * HOUR)["count"],
        "planned_departures_after": planned.window(origin, due + PLANNED_AHEAD, PLANNED_AHEAD)["count"],
    }


def _weather_features(question: Question) -> dict[str, Floats]:
    """The last observation, without temperature and dew point.

    Those two reveal the season, which misleads a model in a season that it was not trained on: between quarters of the
    training period they raise the calibration error (ECE) from 0.017 to 0.025.
    """
    weather, moment = question.history.weather, question.moment
    row = _younger_than(OLDEST_WEATHER, weather.last_row(question.asked.flights, moment), question)
    rows_everywhere = [_younger_than(MONTH, any_row, question) for any_row in weather.last_rows_everywhere(moment)]
    visibilities = [take_or_nan(weather.values["visibility"], any_row) for any_row in rows_everywhere]
    return {
        **{name: take_or_nan(value, row) for name, value in weather.values.items()},
        "lowest_visibility": np.fmin.reduce([np.full(len(moment), np.nan), *visibilities]),  # without stations missing
    }


def _younger_than(age: int, row: Integers, question: Question) -> Integers:
    """The rows of observations [n], -1 for those that are older than ``age`` minutes at their moment."""
    observed_at = take_or_nan(question.history.weather.observed_at, row)
    return np.where(question.moment - observed_at <= age, row, -1)


def _departure_features(question: Question) -> dict[str, Floats]:
    """Mean delay of the observed departures, and the share of the flights due that departed late or not yet."""
    history, keys, moment = question.history, question.asked.keys, question.moment
    features = {
        f"departure_delay_{group}_{length}h": history.departures[group].mean("delay", keys[group], moment, length * HOUR)
        for group, hours in DEPARTURE_HOURS.items()
        for length in hours
    }
    for group, length in LATE_HOURS:
        share = history.due[group].mean("tardy", keys[group], moment, length * HOUR + GRACE, GRACE)
        features[f"departed_late_{group}_{length}h"] = share
    return features


def _backlog_features(question: Question) -> dict[str, Any]:
    """The backlog: flights past their scheduled departure that have not departed."""
    features: dict[str, Any] = {}
    for group in WAITING:
        count, age = question.history.waiting[group].count_open(question.asked.keys[group], question.moment)
        features[f"waiting_{group}"] = count
        if group == "everywhere":
            features["waiting_minutes_everywhere"] = divide_or_nan(age, count)
    return features


def _arrival_features(question: Question) -> dict[str, Floats]:
    """Minutes lost by the flights that landed in the last hours, and the share of them that was late."""
    lost = (("direction", 3), ("direction", 6), ("destination", 6), ("destination", 24), ("origin", 3))
    late = (("everywhere", 24), ("origin_carrier", 24), ("carrier", 6))
    return {
        **{f"lost_minutes_{group}_{hours}h": question.landed_mean("lost", group, hours * HOUR) for group, hours in lost},
        **{f"arrived_late_{group}_{hours}h": question.landed_mean("late", group, hours * HOUR) for group, hours in late},
    }


def _history_features(question: Question) -> dict[str, Floats]:
    """Means over the flights that landed in the last four weeks; those of small groups are shrunk towards all flights'."""
    rate, delay, lost = (question.landed_mean(name, "everywhere", MONTH) for name in ("late", "delay", "lost"))
    origin, carrier, flight, destination = (
        question.landed_within(group, MONTH) for group in ("origin", "carrier", "flight", "destination")
    )
    block_minutes, since_yesterday = question.asked.block_minutes, DAY + 3 * HOUR
    return {
        "arrived_late_origin_28d": shrink_towards(rate, origin["late"], origin["count"], LARGE),
        "arrived_late_carrier_28d": shrink_towards(rate, carrier["late"], carrier["count"], LARGE),
        "arrived_late_flight_28d": shrink_towards(rate, flight["late"], flight["count"], SMALL),
        "arrival_delay_flight_28d": shrink_towards(delay, flight["delay"], flight["count"], SMALL),
        "arrival_delay_flight_1d": question.landed_mean("delay", "flight", since_yesterday),
        "lost_minutes_destination_28d": shrink_towards(lost, destination["lost"], destination["count"], LARGE),
        "spare_minutes_route_28d": block_minutes - question.landed_mean("elapsed", "route", MONTH),
        "spare_minutes_destination_1d": block_minutes - question.landed_mean("elapsed", "destination", since_yesterday),
    }


def _aircraft_features(question: Question) -> dict[str, Floats]:
    """The previous observed departure of the aircraft from New York, and the time between that flight and this one."""
    history, asked, moment = question.history, question.asked, question.moment
    row = _previous_departure(question)
    departed_at, arrived_at = take_or_nan(history.departed_at, row), take_or_nan(history.arrived_at, row)
    block_minutes = take_or_nan(history.known.block_minutes, row)
    has_landed = arrived_at <= moment
    at_destination = np.where(has_landed, arrived_at, departed_at + block_minutes)
    return {
        "aircraft_departure_delay": take_or_nan(history.departure_delay, row),
        "aircraft_arrival_delay": np.where(has_landed, take_or_nan(history.arrival_delay, row), np.nan),
        "aircraft_minutes_since_departure": np.clip(moment - departed_at, 0, 7 * DAY),
        "aircraft_spare_minutes": np.clip(asked.scheduled_at - at_destination - block_minutes, -300, 2 * DAY),
        "seats": history.seats(asked.flights["tailnum"]),
    }


def _previous_departure(question: Question) -> Integers:
    """The last departure, of four weeks, after which the timetable leaves time to fly there, turn and come back; else -1.

    The last three departures of the aircraft are tried. The table names the aircraft that flew in the end: where the
    timetable leaves no time to return, the aircraft was swapped in later, so that at the moment of prediction nobody knew
    that this departure would precede the flight.
    """
    history, key = question.history, question.asked.keys["aircraft"]
    departures = history.departures["aircraft"]
    row = departures.last_row(key, question.moment)
    for _ in range(SWAPS_FOLLOWED):
        too_short = (row >= 0) & ~_leaves_time_to_return(question, row)
        before = np.where(too_short, history.departed_at[row] - 1, 0)
        row = np.where(too_short, departures.last_row(key, before), row)
    is_recent = question.moment - take_or_nan(history.departed_at, row) <= MONTH
    return np.where(is_recent & _leaves_time_to_return(question, row), row, -1)


def _leaves_time_to_return(question: Question, row: Integers) -> Flags:
    known = question.history.known
    minutes_between = question.asked.scheduled_at - known.scheduled_at[row]
    enough: Flags = minutes_between - 2 * known.block_minutes[row] >= TURNAROUND
    return enough
