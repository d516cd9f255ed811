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


def labelled(*parts):
    coder = slices.LabelCoder()
    for part in parts:
        coder.add(part)
    return coder.result()


def texts(labels, smallest=1):
    pooled = labelled(labels).pool_small(smallest)
    return [pooled.values[code] for code in pooled.codes]


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
    assert texts(slices.label_rows(TABLE, f"moment.{part}")) == names


def test_a_column_with_a_point_in_its_name_is_a_slice_like_any_other():
    table = pd.DataFrame({"Area.Name": ["a", "b"], "moment.month": ["x", "y"], "moment": TABLE["moment"][:2]})

    assert slices.label_rows(table, "Area.Name").tolist() == ["a", "b"]
    assert slices.label_rows(table, "moment.month").tolist() == ["x", "y"]


def test_small_slices_are_pooled_and_those_of_the_smallest_size_are_not():
    found = texts(pd.Series(["a", "a", "b", "c", None, None]), 2)

    assert found == ["a", "a", "other", "other", "missing", "missing"]


def test_missing_values_of_a_categorical_column_are_named_too():
    assert texts(pd.Series(["a", None], dtype="category")) == ["a", "missing"]


def test_large_numbers_keep_their_digits():
    assert texts(pd.Series([1_234_567, 1_234_568])) == ["1234567", "1234568"]


def test_a_missing_value_and_the_text_missing_are_one_slice():
    assert texts(pd.Series(["missing", None, "a", "missing"]), 2) == ["missing", "missing", "other", "missing"]


def test_rows_of_one_day_are_one_group_and_missing_days_another():
    assert labelled(slices.label_rows(TABLE, "moment.date")).codes.tolist() == [1, 0, 2, 1]


def test_numbers_follow_the_values_and_not_the_order_of_the_rows():
    labels = labelled(TABLE["origin"])

    assert (labels.values, labels.codes.tolist()) == (["EWR", "JFK", None], [1, 0, 2, 1])
    assert labelled(TABLE["origin"][::-1]).codes.tolist() == [1, 2, 0, 1]


def test_a_label_that_one_partition_has_as_a_whole_number_and_another_as_a_decimal_is_one():
    labels = labelled(pd.Series([3, 2]), pd.Series([2.0, None]))

    assert (labels.values, labels.codes.tolist()) == ([2, 3, None], [1, 0, 0, 2])
    assert labels.pool_small(1).values == ["02", "03", "missing"]


def test_more_labels_than_a_byte_holds_take_more_bytes():
    labels = labelled(*(pd.Series(range(start, start + 100)) for start in (0, 100, 200)))

    assert labels.codes.tolist() == [*range(300)]


def test_the_column_of_a_slice_is_its_own_name_or_what_stands_before_the_part():
    columns = {"Area.Name", "moment"}

    assert [slices.column_of(name, columns) for name in ("Area.Name", "moment.month")] == ["Area.Name", "moment"]
