"""What became known when: the raw tables as events in the order of time, as an operations desk would have sent them.

The timetable of a flight is known two days ahead, with the aircraft that flew in the end, which is all that the table names;
a departure when the aircraft left its gate, an arrival when it reached one, the weather when its hour is over. The fleet and
the airports are known from the start. A cancelled flight has no departure, a diverted one no arrival.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter

import numpy as np
import pandas as pd

from pipeline.config.settings import RawTable
from pipeline.data.event_log import Event, row_values
from pipeline.features.point_in_time import NEVER, Flags, Integers, epoch_minutes
from pipeline.recipes.flights.history import OBSERVED_AFTER, History
from pipeline.recipes.flights.timetable import DAY

ANNOUNCED_BEFORE = 2 * DAY  # minutes from the announcement of a flight to its scheduled departure
DEPARTURE, ARRIVAL = ("dep_delay",), ("arr_delay",)
Fact = tuple[int, Event]  # with the minute since 1970 at which it became known
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def events(
    tables: Mapping[str, pd.DataFrame],
    declared: Mapping[str, RawTable],
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[Event]:
    """All events of the tables by ``known_at``; of each table the ``declared`` columns, of which its key names the row.

    A log that begins at ``since`` has what was known by then as events of that moment, without flights that were due before
    it and the weather of the hours before it. Events of ``until`` and later are left out.
    """
    history = History(tables, late_minutes=0)
    flights, known = history.known.flights, history.known
    weather, airports, planes = tables["weather"], tables["airports"], tables["planes"]
    announced, observed_at = known.scheduled_at - ANNOUNCED_BEFORE, epoch_minutes(weather["time_hour"]) + OBSERVED_AFTER
    start = _minute(since) if since else int(min(announced.min(), observed_at.min()))
    end = _minute(until) if until else NEVER
    planned = [name for name in declared["flights"].columns if name not in (*DEPARTURE, *ARRIVAL)]
    due = known.scheduled_at >= start

    def facts(
        table: str, rows: pd.DataFrame, known_at: Integers, kept: Flags, columns: Sequence[str] = ()
    ) -> Iterator[Fact]:
        known_at, kept = np.maximum(known_at, start), kept & (known_at < end)
        return _facts(table, declared[table].key, rows[kept], columns or list(declared[table].columns), known_at[kept])

    sources = [
        facts("airports", airports, np.full(len(airports), start), np.full(len(airports), True)),
        facts("planes", planes, np.full(len(planes), start), np.full(len(planes), True)),
        facts("weather", weather, observed_at, observed_at >= start),
        facts("flights", flights, announced, due, planned),
        facts("flights", flights, history.departed_at, due & history.has_departed, DEPARTURE),
        facts("flights", flights, history.arrived_at, due & history.has_landed, ARRIVAL),
    ]
    for minute, event in heapq.merge(*sources, key=itemgetter(0)):
        yield event._replace(known_at=EPOCH + timedelta(minutes=minute))


def _minute(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(minutes=1)


def _facts(table: str, key: Sequence[str], rows: pd.DataFrame, columns: Sequence[str], known_at: Integers) -> Iterator[Fact]:
    """An event for each row with these columns, by the minute at which it became known; missing values are left out."""
    order = np.argsort(known_at, kind="stable")
    ordered = rows.iloc[order]
    keys, values = row_values(ordered, key), row_values(ordered, [name for name in columns if name not in key])
    for minute, key_of_row, changed in zip(known_at[order].tolist(), keys, values, strict=True):
        yield minute, Event(EPOCH, table, key_of_row, changed)
