"""A slice is a column's value or a part of its datetime; small ones are pooled, and groups number them."""

import pandas as pd
import pytest

from pipeline.data import slices

TABLE = pd.DataFrame(
    {
        "origin": ["JFK", "EWR", None, "JFK"],
        "moment": pd.to_datetime(["2013-02-03 04:05", "2012-02-29 23:59", None, "2013-02-03 12:00"]),
    }
)


def test_a_column_is_its_own_slice():
    assert slices.label_rows(TABLE, "origin").tolist()[:2] == ["JFK", "EWR"]


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("year", ["2013", "2012", "missing", "2013"]),
        ("month", ["02", "02", "missing", "02"]),
        ("date", ["2013-02-03", "2012-02-29", "missing", "2013-02-03"]),
        ("weekday", ["06", "02", "missing", "06"]),
        ("hour", ["04", "23", "missing", "12"]),
    ],
)
def test_a_part_of_a_datetime_is_named_so_that_text_sorts_like_time(part, names):
    assert slices.pool_small(slices.label_rows(TABLE, f"moment.{part}"), 1).tolist() == names


def test_a_column_with_a_point_in_its_name_is_a_slice_like_any_other():
    table = pd.DataFrame({"Area.Name": ["a", "b"], "moment.month": ["x", "y"], "moment": TABLE["moment"][:2]})

    assert slices.label_rows(table, "Area.Name").tolist() == ["a", "b"]
    assert slices.label_rows(table, "moment.month").tolist() == ["x", "y"]


def test_small_slices_are_pooled_and_those_of_the_smallest_size_are_not():
    found = slices.pool_small(pd.Series(["a", "a", "b", "c", None, None]), 2)

    assert found.tolist() == ["a", "a", "other", "other", "missing", "missing"]


def test_missing_values_of_a_categorical_column_are_named_too():
    assert slices.pool_small(pd.Series(["a", None], dtype="category"), 1).tolist() == ["a", "missing"]


def test_large_numbers_keep_their_digits():
    assert slices.pool_small(pd.Series([1_234_567, 1_234_568]), 1).tolist() == ["1234567", "1234568"]


def test_without_a_slice_each_row_is_a_group_of_its_own():
    assert slices.resampling_groups(TABLE, None).tolist() == [0, 1, 2, 3]


def test_rows_of_one_day_are_one_group_and_missing_days_another():
    assert slices.resampling_groups(TABLE, "moment.date").tolist() == [1, 0, 2, 1]


def test_group_numbers_follow_the_values_and_not_the_order_of_the_rows():
    assert slices.resampling_groups(TABLE, "origin").tolist() == [1, 0, 2, 1]
    assert slices.resampling_groups(TABLE[::-1], "origin").tolist() == [1, 2, 0, 1]
