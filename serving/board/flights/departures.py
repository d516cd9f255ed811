"""Flights as rows of the departures page: what they are called, where they go, and what has become of them."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from board.clock import duration
from board.flights.airport_clock import CLOCK
from board.flights.names import CITIES
from board.tracking.source import time_of
from pipeline.features.point_in_time import Integers
from pipeline.recipes.flights.history import CANCELLED_AFTER

TITLE = "Departures"
DUE, NAME, EVENT = "Scheduled", "Flight", "Late"  # headings
SEARCH, SEARCH_EXAMPLE = "Flight, destination or aircraft", "UA 252, Chicago, N14228"
HEADINGS = ("From", "To")  # of the cells of a row
FACETS = {"origin": "Airport", "carrier": "Airline"}  # columns to filter by
NO_ARRIVAL_AFTER = 24 * 60  # minutes after a departure from which an arrival is not to be expected any more


class Cell(NamedTuple):
    """A text, and a detail that may stand beside it."""

    text: str
    detail: str = ""


class Departure(NamedTuple):
    """A flight on the page; ``kind`` and ``outcome_kind`` are classes of the style sheet."""

    name: str
    cells: tuple[Cell, ...]
    facets: tuple[str, ...]
    order: tuple[str, int]  # by name
    searched: str  # what a search looks into, in small letters
    waits: bool
    state: str
    kind: str
    outcome: str
    outcome_kind: str


def name(subject: Any) -> str:
    """A flight as people call it, such as UA 252."""
    return f"{subject['carrier']} {subject['flight']:.0f}"


def entries(rows: pd.DataFrame, due_at: Integers, now: int, options: Any) -> list[Departure]:
    """Flights [n] that are due at moments [n], as the log knows them ``now``; all moments in minutes since 1970."""
    columns = ("carrier", "flight", "origin", "dest", "tailnum", "dep_delay", "arr_delay")
    values = zip(*(rows[column].tolist() for column in columns), due_at.tolist(), strict=True)
    return [_departure(value[:5], value[5:], now, options.late_minutes) for value in values]


def _departure(planned: tuple[Any, ...], actual: tuple[Any, ...], now: int, late_minutes: int) -> Departure:
    carrier, flight, origin, dest, tailnum = planned
    city = CITIES.get(dest, "")
    number = f"{carrier} {flight:.0f}"
    departure_delay, arrival_delay, due = actual
    state, kind = state_of(departure_delay, arrival_delay, due, now)
    outcome, outcome_kind = outcome_of(arrival_delay, late_minutes)
    searched = f"{number} {carrier}{flight:.0f} {origin} {dest} {city} {tailnum if isinstance(tailnum, str) else ''}".lower()
    cells = Cell(origin), Cell(dest, city)
    waits = kind in {"waiting", "warn"}
    return Departure(
        number, cells, (origin, carrier), (carrier, int(flight)), searched, waits, state, kind, outcome, outcome_kind
    )


def state_of(departure_delay: float, arrival_delay: float, due: int, now: int) -> tuple[str, str]:
    """What has become of a flight, in words, and how that looks."""
    if not np.isnan(departure_delay):
        left = f"left {CLOCK.time(time_of(due + int(departure_delay)))}"
        if not np.isnan(arrival_delay):
            return "landed", "over"
        return (f"{left}, no arrival", "warn-over") if now - due > NO_ARRIVAL_AFTER else (left, "under-way")
    if now - due >= CANCELLED_AFTER:
        return "cancelled", "bad"
    if now - due > 0:
        return f"waiting, {duration(now - due)} overdue", "warn"
    return "waiting", "waiting"


def outcome_of(arrival_delay: float, late_minutes: int) -> tuple[str, str]:
    """What came true, in words, and how that looks; empty where it is not known."""
    if np.isnan(arrival_delay):
        return "", ""
    minutes = int(arrival_delay)
    words = f"{duration(minutes)} late" if minutes > 0 else f"{duration(-minutes)} early" if minutes < 0 else "on time"
    return words, "bad" if minutes >= late_minutes else "good"
