"""What stands behind the prediction of a flight: its aircraft's flights before it, the queue at its airport, its past.

All of it comes from the history that the recipe computes its features from. Moments are minutes since 1970.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from board.flights.departures import outcome_of, state_of
from board.flights.names import AIRPORTS, CARRIERS, CITIES
from board.tracking.source import time_of
from pipeline.features.point_in_time import Integers
from pipeline.recipes.flights.columns import MONTH
from pipeline.recipes.flights.history import History
from pipeline.recipes.flights.timetable import DAY, HOUR, Timetable

KEY = ("year", "month", "day", "carrier", "flight", "origin")
CHAIN_MINUTES, MOST_LEGS = 36 * HOUR, 6
QUEUE_HOURS = 8


@dataclass(frozen=True)
class Leg:
    """A flight: its key, what it is called, from where to where, when it is due, and what has become of it."""

    key: Mapping[str, Any]
    name: str
    origin: str
    destination: str
    due_at: datetime
    state: str
    kind: str
    outcome: str
    outcome_kind: str
    delay: int | None  # minutes at arrival


@dataclass(frozen=True)
class Queue:
    """The flights of an airport that should have left and have not, hour by hour up to a moment."""

    hours: tuple[tuple[datetime, int], ...]
    waiting: int
    waiting_minutes: int  # on average
    delay_minutes: float | None  # mean of the departures of the last hour
    departures: int  # of the last hour
    planned: int  # in the two hours up to the scheduled departure


@dataclass(frozen=True)
class Background:
    """The facts about a flight, and what stands behind its prediction."""

    origin: str
    destination: str
    carrier: str
    aircraft: str | None
    seats: int | None
    miles: int
    due_at: datetime
    planned_minutes: int
    chain: tuple[Leg, ...]
    queue: Queue
    past: tuple[Leg, ...]  # of four weeks, those that have landed or were cancelled
    flight: Leg


def background(history: History, place: int, moment: int, now: int, options: Any) -> Background:
    """The background of the flight at a place of the table, as of the ``moment`` of its prediction, or as known ``now``."""
    asked = history.timetable_at(np.array([place]))
    row = asked.flights.iloc[0]
    seats = float(history.seats(asked.flights["tailnum"])[0])
    return Background(
        origin=_place(row["origin"], AIRPORTS),
        destination=_place(row["dest"], CITIES),
        carrier=CARRIERS.get(row["carrier"], row["carrier"]),
        aircraft=row["tailnum"] if isinstance(row["tailnum"], str) else None,
        seats=None if np.isnan(seats) else int(seats),
        miles=int(row["distance"]),
        due_at=time_of(int(asked.scheduled_at[0])),
        planned_minutes=int(asked.block_minutes[0]),
        chain=_chain(history, asked, now, options),
        queue=_queue(history, asked, moment),
        past=_past(history, asked, moment, now, options),
        flight=_leg(row, int(asked.scheduled_at[0]), now, options),
    )


def _chain(history: History, asked: Timetable, now: int, options: Any) -> tuple[Leg, ...]:
    """The last flights of the aircraft that are due before this one, by time."""
    return _legs(history, asked, "aircraft", CHAIN_MINUTES, now, options)[-MOST_LEGS:]


def _past(history: History, asked: Timetable, moment: int, now: int, options: Any) -> tuple[Leg, ...]:
    """The flights of the same number on the same route in the four weeks before the prediction."""
    legs = _legs(history, asked, "flight", MONTH + DAY, now, options)
    first, last = time_of(moment - MONTH), time_of(moment)
    return tuple(leg for leg in legs if first <= leg.due_at < last)


def _legs(history: History, asked: Timetable, group: str, minutes: int, now: int, options: Any) -> tuple[Leg, ...]:
    """The flights of a group that are due in the minutes before a flight, by time."""
    code, due, known = int(asked.keys[group][0]), int(asked.scheduled_at[0]), history.known
    if code < 0:
        return ()
    rows: Integers = np.flatnonzero(
        (known.keys[group] == code) & (known.scheduled_at < due) & (known.scheduled_at >= due - minutes)
    )
    flights = known.flights.iloc[rows]
    return tuple(
        _leg(row, due_at, now, options)
        for (_, row), due_at in zip(flights.iterrows(), known.scheduled_at[rows].tolist(), strict=True)
    )


def _leg(row: Any, due_at: int, now: int, options: Any) -> Leg:
    state, kind = state_of(row["dep_delay"], row["arr_delay"], due_at, now)
    outcome, outcome_kind = outcome_of(row["arr_delay"], options.late_minutes)
    return Leg(
        {name: row[name] if isinstance(row[name], str) else int(row[name]) for name in KEY},
        f"{row['carrier']} {row['flight']:.0f}", row["origin"], row["dest"], time_of(due_at), state, kind, outcome,
        outcome_kind, None if np.isnan(row["arr_delay"]) else int(row["arr_delay"]),
    )  # fmt: skip


def _queue(history: History, asked: Timetable, moment: int) -> Queue:
    """The queue at the flight's airport as of a moment."""
    origin, due = asked.keys["origin"], asked.scheduled_at
    moments = moment - HOUR * np.arange(QUEUE_HOURS, -1, -1)
    counts, ages = history.waiting["origin"].count_open(np.repeat(origin, len(moments)), moments)
    left = history.departures["origin"].window(origin, moments[-1:], HOUR)
    count = int(left["count"][0])
    return Queue(
        hours=tuple((time_of(at), number) for at, number in zip(moments.tolist(), counts.tolist(), strict=True)),
        waiting=int(counts[-1]),
        waiting_minutes=int(ages[-1] / counts[-1]) if counts[-1] else 0,
        delay_minutes=float(left["delay"][0]) / count if count else None,
        departures=count,
        planned=int(history.planned.window(origin, due, 2 * HOUR)["count"][0]),
    )


def _place(code: str, names: Mapping[str, str]) -> str:
    return f"{names[code]} ({code})" if code in names else code
