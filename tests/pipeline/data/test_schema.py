"""What is declared of a column is checked by name."""

import numpy as np
import pandas as pd
import pytest

from pipeline.config.settings import Column
from pipeline.data import schema
from pipeline.support.errors import TableInvalid


def test_a_table_as_declared_has_no_fault(columns, rows):
    assert schema.check(rows, columns, "t") == 0


def test_checking_changes_nothing(columns, rows):
    before = rows.copy()
    schema.check(rows, columns, "t")

    pd.testing.assert_frame_equal(rows, before)


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        (Column("number"), ["a", "b"], "x should be a number"),
        (Column("number"), pd.to_datetime(["2013-01-01"]), "x should be a number"),
        (Column("category"), [1, 2], "x should be a category"),
        (Column("datetime"), ["2013-01-01"], "x should be a datetime"),
        (Column("number", range=(0, 10)), [1.0, -1.0], r"x should be at least 0; 1 rows are not, such as row 2: -1\.0"),
        (Column("number", range=(0, 10)), [11.0, 10.0, 12.0], r"x should be at most 10; 2 rows are not, such as row 1: 11"),
        (Column("number", nullable=False), [1.0, None], "x should have a value in each row; 1 rows are not, such as row 2"),
        (Column("category", categories=("a", "b")), ["a", "c"], "x should be one of a, b; 1 rows are not, such as row 2: c"),
        (Column("category", nullable=False), ["a", None], "x should have a value in each row"),
        (Column("datetime", nullable=False), pd.to_datetime(["2013-01-01", None]), "x should have a value in each row"),
    ],
)
def test_a_broken_declaration_is_named_with_what_was_found(column, values, words):
    with pytest.raises(TableInvalid, match=rf"Table t does not match its declaration: {words}"):
        schema.check(pd.DataFrame({"x": values}), {"x": column}, "t")


@pytest.mark.parametrize("text", ["x" * 501, "a\0b"])
def test_a_category_that_no_request_may_hold_is_refused(text):
    with pytest.raises(TableInvalid, match=r"x should be text of at most 500 characters, none of them NUL; 1 rows are not"):
        schema.check(pd.DataFrame({"x": ["a", text]}), {"x": Column("category")}, "t")


@pytest.mark.parametrize("end", [0.7, 0.1, 16_777_217.0])
def test_the_end_of_a_range_is_inside_also_in_single_precision(end):
    for low, high in ((end, None), (None, end)):
        columns = {"x": Column("number", range=(low, high))}
        single = schema.to_single_precision(pd.DataFrame({"x": [end]}), columns)
        assert schema.check(single, columns, "t") == 0


def test_a_number_beyond_single_precision_is_refused_with_its_value():
    with pytest.raises(TableInvalid, match=r"x should be from -3\.40282e\+38 to 3\.40282e\+38; .* row 2: 1e\+39"):
        schema.check(pd.DataFrame({"x": [1.0, 1e39]}), {"x": Column("number")}, "t")


def test_a_missing_column_is_named():
    with pytest.raises(TableInvalid, match=r"column x is missing\. Correct the table"):
        schema.check(pd.DataFrame({"y": [1]}), {"x": Column("number")}, "t")


def test_a_missing_column_is_named_beside_the_nearest_one_there_is():
    with pytest.raises(TableInvalid, match=r"column size is missing \(is it ' Size'\?\)"):
        schema.check(pd.DataFrame({"y": [1], " Size": [1]}), {"size": Column("number")}, "t")


def test_a_table_must_hold_a_column_that_a_request_may_leave_out():
    with pytest.raises(TableInvalid, match="column x is missing"):
        schema.check(pd.DataFrame({"y": [1]}), {"x": Column("number", required=False)}, "t")


def test_every_fault_is_named_at_once():
    columns = {"x": Column("number", range=(0, 1)), "y": Column("category", categories=("a",)), "z": Column("number")}

    with pytest.raises(TableInvalid, match=r"column z is missing; x should be at most 1.*; y should be one of a"):
        schema.check(pd.DataFrame({"x": [2.0], "y": ["b"]}), columns, "t")


def test_missing_values_in_a_range_are_no_fault():
    assert schema.check(pd.DataFrame({"x": [1.0, None]}), {"x": Column("number", range=(0, 1))}, "t") == 0


def test_one_open_end_of_a_range_is_not_checked():
    assert schema.check(pd.DataFrame({"x": [-1e9, 1.0]}), {"x": Column("number", range=(None, 1))}, "t") == 0


def test_as_many_faulty_rows_as_allowed_pass_and_are_counted():
    table = pd.DataFrame({"x": [2.0, 2.0, 0.5], "y": [2.0, 0.5, 0.5]})
    columns = {"x": Column("number", range=(0, 1)), "y": Column("number", range=(0, 1))}

    assert schema.check(table, columns, "t", invalid_rows_allowed=2) == 2
    with pytest.raises(TableInvalid):
        schema.check(table, columns, "t", invalid_rows_allowed=1)


def test_a_column_of_another_kind_is_refused_however_many_faults_are_allowed():
    with pytest.raises(TableInvalid, match="x should be a number"):
        schema.check(pd.DataFrame({"x": ["a"]}), {"x": Column("number")}, "t", invalid_rows_allowed=100)


def test_an_infinite_number_is_refused():
    with pytest.raises(TableInvalid, match="x should be"):
        schema.check(pd.DataFrame({"x": [1.0, np.inf]}), {"x": Column("number")}, "t")


def test_many_numbers_declared_as_a_category_are_taken_for_a_mistake():
    table = pd.DataFrame({"x": [str(number) for number in range(21)]})

    with pytest.raises(TableInvalid, match="x should be a category, not numbers"):
        schema.check(table, {"x": Column("category")}, "t")
    assert schema.check(table.head(20), {"x": Column("category")}, "t") == 0
    assert schema.check(table, {"x": Column("category", categories=tuple(table["x"]))}, "t") == 0


def test_numbers_become_single_precision_unrounded_and_the_rest_stays(columns):
    frame = pd.DataFrame({"size": [1.23456, None], "weight": [1, 2], "colour": ["red", None], "good": [1.23456, 2]})
    tidied = schema.to_single_precision(frame, columns)

    assert tidied["size"].tolist()[0] == np.float32(1.23456)
    assert tidied.dtypes.astype(str).to_dict()["weight"] == "float32"
    assert tidied["good"].tolist() == [1.23456, 2]
    assert frame["size"][0] == 1.23456


def test_large_numbers_that_single_precision_would_merge_are_refused_by_name():
    numbers, columns = 1_700_000_000 + np.arange(90), {"x": Column("number")}

    with pytest.raises(
        TableInvalid, match=r"x has 10 distinct values from 1,700,000,000\.0 to 1,700,000,009\.0; .* leave 1 of them"
    ):
        schema.to_single_precision(pd.DataFrame({"x": numbers}), columns)
    assert schema.to_single_precision(pd.DataFrame({"x": numbers - 1_700_000_000}), columns)["x"].nunique() == 90


@pytest.mark.parametrize(
    "numbers",
    [
        2**24 + 1 + np.arange(90),
        1_700_000_000 + 100 * np.arange(90),
        10**12 + np.arange(90) ** 2,
        [0] * 20 + [1_700_000_000 + row for row in range(89)],
        np.append(np.linspace(0, 1, 950), 3_000_000_000 + np.arange(50)),  # an identifier in every twentieth row
        np.append(np.zeros(700), 1_700_000_000 + np.arange(300)),
    ],
)
def test_whole_numbers_of_which_only_some_would_merge_are_refused_too(numbers):
    with pytest.raises(TableInvalid, match=r"x has [\d,]+ distinct values from .* which leave"):
        schema.to_single_precision(pd.DataFrame({"x": numbers}), {"x": Column("number")})


@pytest.mark.parametrize(
    "numbers",
    [
        np.arange(90) * 1e9,
        np.full(9, 1e18),
        [np.nan] * 3,
        [0.1, 0.1 + 1e-14, 0.1 - 1e-14, 5.0],
        [],
        np.random.default_rng(1).normal(1000, 1, 100_000),
        np.random.default_rng(1).integers(0, 10**9, 10_000),
        np.exp(np.random.default_rng(1).normal(10, 4, 10_000)).round(),
        np.append(np.arange(100), [9_999_999_998, 9_999_999_999]),  # two texts for no value
    ],
)
def test_numbers_that_single_precision_keeps_apart_well_enough_pass(numbers):
    assert len(schema.to_single_precision(pd.DataFrame({"x": numbers}, dtype="float64"), {"x": Column("number")})) == len(
        numbers
    )


def test_columns_of_one_kind_come_in_declared_order(columns):
    assert schema.feature_names(columns, "number") == ["size", "weight"]


def test_the_part_that_ends_a_check_is_named_after_others_that_were_allowed():
    columns = {"x": Column("number", range=(0, 1))}
    check = schema.TableCheck("t", invalid_rows_allowed=10)
    for number in range(4):
        check.add(schema.inspect(pd.DataFrame({"x": [2.0]}), columns), f"part {number}")

    with pytest.raises(TableInvalid, match="in part 4: column x is missing"):
        check.add(schema.inspect(pd.DataFrame({"y": [2.0]}), columns), "part 4")
