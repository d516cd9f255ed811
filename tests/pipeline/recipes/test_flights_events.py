"""The raw tables as events: in the order of time, and what they leave are the tables again."""

from itertools import pairwise

import pandas as pd
import pytest

from pipeline.config.parsing import parse_settings
from pipeline.data.event_log import EventTable
from pipeline.recipes import flights
from pipeline.recipes.flights import events
from source_tables import default_data, read_tables

FLIGHTS = slice(100_000, 103_000)  # some days of January and February, cancelled and diverted ones among them


@pytest.fixture(scope="module")
def data():
    return default_data()


@pytest.fixture(scope="module")
def raw(data):
    tables = read_tables(data)
    return {**tables, "flights": tables["flights"].iloc[FLIGHTS]}


@pytest.fixture(scope="module")
def log(raw, data):
    return list(events.events(raw, data.tables))


def fold(log, data):
    tables = {name: EventTable(table.columns, table.key) for name, table in data.tables.items()}
    for name, table in tables.items():
        table.apply(event for event in log if event.table == name)
    return {name: table.frame() for name, table in tables.items()}


def test_events_come_in_the_order_of_time_one_for_each_thing_that_becomes_known(log, raw):
    assert all(before.known_at <= after.known_at for before, after in pairwise(log))
    by_table = pd.Series([event.table for event in log]).value_counts()
    assert by_table["flights"] == len(raw["flights"]) + raw["flights"][["dep_delay", "arr_delay"]].notna().sum().sum()
    assert [by_table[name] for name in ("weather", "planes", "airports")] == [
        len(raw[name]) for name in ("weather", "planes", "airports")
    ]


def test_an_event_names_its_row_by_the_declared_key_and_changes_nothing_of_it(log, data):
    for event in log:
        key = data.tables[event.table].key
        assert tuple(event.key) == key
        assert not set(key) & event.values.keys()


def test_the_tables_that_all_events_leave_have_the_features_of_the_raw_ones(log, raw, data):
    options = parse_settings(flights.Options, data.options, "data")
    ours, theirs = (flights.features(tables, options).reset_index(drop=True) for tables in (fold(log, data), raw))

    pd.testing.assert_frame_equal(ours, theirs, check_exact=True, check_dtype=False)


def test_what_is_known_at_a_moment_holds_nothing_later_and_gives_the_same_features(log, raw, data):
    options = parse_settings(flights.Options, data.options, "data")
    history = flights.History(raw, options.late_minutes)
    asked = int(history.known.scheduled_at[1500])
    moment = events.EPOCH + pd.Timedelta(minutes=asked - options.horizon_hours * 60)
    tables = fold([event for event in log if event.known_at <= moment], data)
    alone = flights.History(tables, options.late_minutes)
    rows = history.known.flights.iloc[[1500]]

    timetable = alone.timetable(rows)
    answer = flights.answer(alone, timetable, timetable.scheduled_at - round(options.horizon_hours * 60))

    assert not alone.has_landed.all()
    expected = flights.features(raw, options).loc[rows.index]
    pd.testing.assert_frame_equal(pd.DataFrame(answer, index=rows.index), expected, check_exact=True, check_dtype=False)


def test_a_later_event_corrects_an_earlier_one(data):
    weather = data.tables["weather"]
    table = EventTable(weather.columns, weather.key)
    key = {"origin": "EWR", "time_hour": "2013-06-03T12:00:00Z"}
    table.apply([events.Event(events.EPOCH, "weather", key, {"humid": 60.0, "visib": 10.0})])
    table.apply([events.Event(events.EPOCH, "weather", key, {"humid": 61.0})])

    frame = table.frame()

    assert len(frame) == len(table) == 1
    assert frame["humid"].tolist() == [61.0]
    assert frame["visib"].tolist() == [10.0]
    assert frame["time_hour"].tolist() == [pd.Timestamp("2013-06-03 12:00", tz="UTC")]
