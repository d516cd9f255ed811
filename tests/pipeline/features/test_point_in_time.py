"""A lookup at a moment sees the events until then and none after it; compared with plain loops."""

import numpy as np
import pandas as pd
import pytest

from pipeline.features.point_in_time import (
    NEVER,
    OpenIntervals,
    Timeline,
    Vocabulary,
    divide_or_nan,
    epoch_minutes,
    shrink_towards,
    take_or_nan,
)


@pytest.fixture
def events():
    """Key, moment and value of 80 events, many at one moment, in no order."""
    random = np.random.default_rng(2)
    return random.integers(0, 4, 80), random.integers(0, 40, 80), random.integers(-5, 9, 80)


def array(*numbers):
    return np.array(numbers, np.int64)


@pytest.mark.parametrize(("length", "lag"), [(10, 0), (10, 3), (1, 0), (100, 0)])
def test_a_window_counts_and_sums_what_a_loop_finds(events, length, lag):
    key, moment, value = events
    window = Timeline(key, moment, value=value).window(key, moment, length, lag)
    inside = [(key == k) & (moment > m - length) & (moment <= m - lag) for k, m in zip(key, moment, strict=True)]

    assert window["count"].tolist() == [int(rows.sum()) for rows in inside]
    assert window["value"].tolist() == [int(value[rows].sum()) for rows in inside]


def test_a_window_is_open_at_its_start_and_closed_at_its_end():
    line = Timeline(array(0, 0, 0, 0), array(9, 10, 20, 21))

    assert line.window(array(0), array(20), 10)["count"].tolist() == [1]


def test_an_event_at_the_start_of_1970_is_in_its_window():
    assert Timeline(array(1), array(0)).window(array(1), array(5), 60)["count"].tolist() == [1]


def test_later_events_do_not_change_a_window(events):
    key, moment, value = events
    past = moment <= 20
    moments = np.full(4, 20)
    keys = np.arange(4)
    everything, until_20 = Timeline(key, moment, value=value), Timeline(key[past], moment[past], value=value[past])

    assert everything.window(keys, moments, 15)["value"].tolist() == until_20.window(keys, moments, 15)["value"].tolist()


def test_the_order_of_the_rows_does_not_matter(events):
    key, moment, value = events
    other = np.random.default_rng(0).permutation(80)
    first = Timeline(key, moment, value=value).window(key, moment, 12)
    second = Timeline(key[other], moment[other], value=value[other]).window(key, moment, 12)

    assert first["value"].tolist() == second["value"].tolist()


def test_an_event_that_has_not_happened_is_not_counted():
    line = Timeline(array(0, 0), array(1, 2), np.array([True, False]))

    assert line.window(array(0), array(5), 10)["count"].tolist() == [1]


def test_flags_are_summed():
    line = Timeline(array(0, 0), array(1, 2), late=np.array([True, True]))

    assert line.window(array(0), array(5), 10)["late"].tolist() == [2]


def test_the_last_event_is_the_one_that_a_loop_finds(events):
    key, moment, _ = events
    asked_key, asked_moment = np.repeat(np.arange(5), 10), np.tile(np.arange(0, 50, 5), 5)
    expected = []
    for k, m in zip(asked_key, asked_moment, strict=True):
        seen = sorted((moment[row], row) for row in range(80) if key[row] == k and moment[row] <= m)
        expected.append(seen[-1][1] if seen else -1)

    assert Timeline(key, moment).last_row(asked_key, asked_moment).tolist() == expected


def test_no_event_at_all_is_no_last_event():
    assert Timeline(array(), array()).last_row(array(0, 1), array(5, 5)).tolist() == [-1, -1]


def test_open_intervals_are_counted_and_aged_as_a_loop_does():
    random = np.random.default_rng(4)
    key, start = random.integers(0, 3, 60), random.integers(0, 50, 60)
    end = np.where(random.random(60) < 0.2, NEVER, start + random.integers(-3, 20, 60))
    asked_key, asked_moment = np.repeat(np.arange(3), 12), np.tile(np.arange(0, 60, 5), 3)
    count, age = OpenIntervals(key, start, end).count_open(asked_key, asked_moment)
    open_at = [(key == k) & (start <= m) & (m < end) for k, m in zip(asked_key, asked_moment, strict=True)]

    assert count.tolist() == [int(rows.sum()) for rows in open_at]
    assert age.tolist() == [int((m - start[rows]).sum()) for rows, m in zip(open_at, asked_moment, strict=True)]


def test_an_interval_that_never_ends_stays_open():
    count, age = OpenIntervals(array(7), array(10), array(NEVER)).count_open(array(7, 7), array(9, 1010))

    assert (count.tolist(), age.tolist()) == ([0, 1], [0, 1000])


def test_codes_are_one_for_each_combination_of_values_and_none_for_others():
    vocabulary = Vocabulary(pd.DataFrame({"colour": ["red", "red", "blue", None], "size": [1, 2, 1, 2]}), "colour", "size")
    asked = pd.DataFrame({"colour": ["red", "blue", "red", None, "green"], "size": [1, 2, 2, 1, 1]})

    codes = vocabulary.codes(asked)
    combined = vocabulary.combine(codes, "colour", "size")

    assert codes["colour"].tolist() == [0, 1, 0, -1, -1]
    assert len(set(combined[:3])) == 3
    assert combined[3:].tolist() == [-1, -1]
    assert vocabulary.combine(vocabulary.codes(asked.head(1)), "colour", "size").tolist() == combined[:1].tolist()


def test_a_key_without_a_code_has_no_events():
    events = Timeline(array(0, 0, 1), array(10, 20, 30), late=array(1, 1, 1))

    assert events.window(array(-1), array(100), 1000)["count"].tolist() == [0]
    assert events.last_row(array(-1), array(100)).tolist() == [-1]


def test_a_division_by_zero_is_missing():
    assert divide_or_nan(array(1, 0), array(4, 0)).tolist() == pytest.approx([0.25, np.nan], nan_ok=True)


def test_a_shrunk_mean_lies_between_its_own_and_the_wider_one():
    means = shrink_towards(np.array([0.5, 0.5, np.nan]), array(4, 0, 0), array(4, 0, 0), 4)

    assert means.tolist() == [0.75, 0.5, 0.0]


def test_values_are_missing_where_there_is_no_row():
    assert take_or_nan([5, 6], array(1, -1)).tolist() == pytest.approx([6, np.nan], nan_ok=True)
    assert take_or_nan([], array(-1)).tolist() == pytest.approx([np.nan], nan_ok=True)


def test_minutes_count_from_1970_in_utc_and_round_down():
    moments = pd.Series(["1970-01-01 00:01:59", "1969-12-31 23:59:30", "2012-02-29 00:00:00", None]).pipe(pd.to_datetime)

    assert epoch_minutes(moments).tolist() == [1, -1, 15399 * 1440, NEVER]


def test_minutes_of_another_time_zone_are_those_of_utc():
    new_york = pd.Series(pd.to_datetime(["2013-07-01 08:00"])).dt.tz_localize("America/New_York")

    assert epoch_minutes(new_york).tolist() == epoch_minutes(pd.Series(pd.to_datetime(["2013-07-01 12:00"]))).tolist()
