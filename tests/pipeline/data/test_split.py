"""Training rows come before test rows, or are drawn by a seed; a part without both classes is refused."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from pipeline.config.settings import RandomSplit, TimeSplit
from pipeline.data.split import split
from pipeline.support.errors import PeriodEmpty

DAYS = pd.DataFrame({"day": pd.date_range("2013-01-01", periods=8), "good": [0, 1] * 4})


def by_time(start, end=None):
    return TimeSplit("time", "day", start, end)


def test_the_first_test_day_is_the_first_row_that_is_not_trained_on():
    train, test = split(DAYS, by_time(date(2013, 1, 5)), "good")

    assert train.index.tolist() == [0, 1, 2, 3]
    assert test.index.tolist() == [4, 5, 6, 7]


def test_the_end_of_the_test_period_is_exclusive():
    _, test = split(DAYS, by_time(date(2013, 1, 5), date(2013, 1, 7)), "good")

    assert test.index.tolist() == [4, 5]


def test_midnight_of_the_first_test_day_is_tested_and_the_minute_before_is_trained_on():
    table = DAYS.assign(day=pd.to_datetime(["2013-01-04 23:59"] * 4 + ["2013-01-05 00:00"] * 4))
    train, test = split(table, by_time(date(2013, 1, 5)), "good")

    assert (len(train), len(test)) == (4, 4)


def test_moments_with_a_zone_are_split_too():
    train, test = split(DAYS.assign(day=DAYS["day"].dt.tz_localize("UTC")), by_time(date(2013, 1, 5)), "good")

    assert (train.index.tolist(), test.index.tolist()) == ([0, 1, 2, 3], [4, 5, 6, 7])


@pytest.mark.parametrize(("start", "part"), [(date(2012, 1, 1), "training"), (date(2014, 1, 1), "test")])
def test_an_empty_period_is_refused_with_the_period_of_the_table(start, part):
    words = rf"The {part} part needs rows with and without good; it has 0 rows.*day runs from 2013-01-01 .* to 2013-01-08"

    with pytest.raises(PeriodEmpty, match=words):
        split(DAYS, by_time(start), "good")


def test_a_period_of_one_class_is_refused():
    with pytest.raises(
        PeriodEmpty, match="The test part needs rows with and without good; it has 4 rows, 4 of them with it"
    ):
        split(DAYS.assign(good=[0, 1, 0, 1, 1, 1, 1, 1]), by_time(date(2013, 1, 5)), "good")


@pytest.fixture
def many():
    return pd.DataFrame({"good": np.arange(100) % 4 == 0}).astype("int8")


def test_a_random_split_takes_every_row_once_in_the_order_of_the_table(many):
    train, test = split(many, RandomSplit("random", 0.25, 7), "good")

    assert sorted([*train.index, *test.index]) == list(range(100))
    assert train.index.is_monotonic_increasing
    assert test.index.is_monotonic_increasing
    assert len(test) == 25


def test_a_stratified_split_has_the_same_rate_on_both_sides(many):
    train, test = split(many, RandomSplit("random", 0.2, 7), "good")

    assert train["good"].mean() == test["good"].mean() == 0.25


def test_the_seed_decides_the_rows(many):
    first, again, other = (split(many, RandomSplit("random", 0.25, seed), "good")[1].index.tolist() for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_an_unstratified_split_is_another_one(many):
    plain = split(many, RandomSplit("random", 0.25, 7, stratify=False), "good")[1]

    assert plain.index.tolist() != split(many, RandomSplit("random", 0.25, 7), "good")[1].index.tolist()


def test_too_few_rows_of_a_class_are_refused():
    with pytest.raises(PeriodEmpty, match=r"The 4 rows cannot be split: .* Correct data\.split\.test_share"):
        split(pd.DataFrame({"good": [0, 0, 0, 1]}), RandomSplit("random", 0.25, 7), "good")


def test_the_table_is_left_as_it_was():
    before = DAYS.copy()
    split(DAYS, by_time(date(2013, 1, 5)), "good")

    pd.testing.assert_frame_equal(DAYS, before)
