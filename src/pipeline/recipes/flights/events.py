"""What became known when: the raw tables as events in the order of time, as an operations desk would have sent them.

The timetable of a flight is known two days ahead, with the aircraft that flew in the end, which is all that the table names;
a departure when the aircraft left its gate, an arrival when it reached one, the weather when its hour is over. The fleet and
the airports are known from the start. A cancelled flight has no departure, a diverted one no arrival.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from pipeline.config.settings import RawTable
from pipeline.data.event_log import Event
from pipeline.features.point_in_time import Integers, epoch_minutes
from pipeline.recipes.flights.history import OBSERVED_AFTER, History
from pipeline.recipes.flights.timetable import DAY

ANNOUNCED_BEFORE = 2 * DAY  # minutes from the announcement of a flight to its scheduled departure
DEPARTURE, ARRIVAL = ("dep_delay",), ("arr_delay",)
Fact = tuple[int, Event]  # with the minute since 1970 at which it became known
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def events(tables: Mapping[str, pd.DataFrame], declared: Mapping[str, RawTable]) -> Iterator[Event]:
    """All events of the tables by ``known_at``; of each table the ``declared`` columns, of which its key names the row."""
    history = History(tables, late_minutes=0)
    flights, known = history.known.flights, history.known
    announced = known.scheduled_at - ANNOUNCED_BEFORE
    start = int(min(announced.min(), epoch_minutes(tables["weather"]["time_hour"]).min()))
    weather = tables["weather"]
    planned = [name for name in declared["flights"].columns if name not in (*DEPARTURE, *ARRIVAL)]
    airports, planes = tables["airports"], tables["planes"]

    def facts(table: str, rows: pd.DataFrame, known_at: Integers, columns: Sequence[str] = ()) -> Iterator[Fact]:
        return _facts(table, declared[table].key, rows, columns or list(declared[table].columns), known_at)

    sources = [
        facts("airports", airports, np.full(len(airports), start)),
        facts("planes", planes, np.full(len(planes), start)),
        facts("weather", weather, epoch_minutes(weather["time_hour"]) + OBSERVED_AFTER),
        facts("flights", flights, announced, planned),
        facts("flights", flights[history.has_departed], history.departed_at[history.has_departed], DEPARTURE),
        facts("flights", flights[history.has_landed], history.arrived_at[history.has_landed], ARRIVAL),
    ]
    for minute, event in heapq.merge(*sources, key=itemgetter(0)):
        yield event._replace(known_at=EPOCH + timedelta(minutes=minute))


def _facts(table: str, key: Sequence[str], rows: pd.DataFrame, columns: Sequence[str], known_at: Integers) -> Iterator[Fact]:
    """An event for each row with these columns, by the minute at which it became known; missing values are left out."""
    order = np.argsort(known_at, kind="stable")
    ordered = rows.iloc[order]
    keys, values = _json(ordered, key), _json(ordered, [name for name in columns if name not in key])
    for minute, key_of_row, changed in zip(known_at[order].tolist(), keys, values, strict=True):
        yield minute, Event(EPOCH, table, key_of_row, changed)


def _json(rows: pd.DataFrame, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The values of each row by column, as JSON has them, without those that are missing."""
    texts = {
        name: rows[name].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        if isinstance(rows[name].dtype, pd.DatetimeTZDtype)
        else rows[name]
        for name in columns
    }
    plain = [texts[name].astype("object").where(rows[name].notna(), None).tolist() for name in columns]
    for values in zip(*plain, strict=True) if plain else iter([()] * len(rows)):
        yield {name: value for name, value in zip(columns, values, strict=True) if value is not None}
