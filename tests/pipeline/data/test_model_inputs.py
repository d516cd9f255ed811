"""A table becomes three arrays: numbers, categories and datetimes, each with its own idea of what is missing."""

import numpy as np
import pandas as pd
import pytest

from pipeline.config.settings import Column
from pipeline.data import model_inputs


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        ("1970-01-01 00:00:00", 0),
        ("1969-12-31 23:59:59", -1),
        ("1900-03-01 00:00:00", -2203891200),
        ("2012-02-29 12:00:00", 1330516800),
        ("1970-01-01 00:00:00.900", 0),
        ("1969-12-31 23:59:59.500", -1),
    ],
)
def test_moments_count_seconds_from_1970_and_round_down(moment, seconds):
    assert model_inputs.epoch_seconds(pd.Series([pd.Timestamp(moment)])).tolist() == [seconds]


def test_moments_count_on_their_own_wall_clock():
    there = pd.Series([pd.Timestamp("2013-07-01 08:00")])

    assert (
        model_inputs.epoch_seconds(there.dt.tz_localize("America/New_York")).tolist()
        == model_inputs.epoch_seconds(there).tolist()
    )


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_resolution_of_a_column_is_of_no_matter(unit):
    moments = pd.Series(["2012-02-29 12:00:00", None]).astype(f"datetime64[{unit}]")

    assert model_inputs.epoch_seconds(moments).tolist() == pytest.approx([1330516800, np.nan], nan_ok=True)


def test_columns_are_packed_by_kind_in_declared_order(columns, rows):
    packed = model_inputs.pack(rows, {name: columns[name] for name in ("moment", "colour", "weight", "size")})

    assert [*packed] == ["weight", "size", "colour", "moment"]
    assert packed.dtypes.astype(str).loc[["weight", "size", "moment"]].tolist() == ["float32", "float32", "float64"]


def test_missing_values_are_nan_and_empty_text(columns):
    table = pd.DataFrame({"size": [None], "weight": [1], "colour": [None], "moment": [pd.NaT]})
    table = table.astype({"size": "float64", "moment": "datetime64[s]"})
    packed = model_inputs.pack(table, columns)

    assert packed["colour"].tolist() == [""]
    assert packed[["size", "moment"]].isna().all(axis=None)


@pytest.mark.parametrize("kind", ["object", "string", "str", "category"])
def test_text_of_any_type_is_packed_alike(kind):
    table = pd.DataFrame({"x": pd.Series(["a", None, "b"]).astype(kind)})

    assert model_inputs.pack(table, {"x": Column("category")})["x"].tolist() == ["a", "", "b"]


@pytest.mark.parametrize("kind", ["int8", "int64", "float64", "Int64", "Float32", "bool"])
def test_numbers_of_any_type_are_packed_as_single_precision(kind):
    table = pd.DataFrame({"x": pd.Series([1, 0]).astype(kind)})
    packed = model_inputs.pack(table, {"x": Column("number")})["x"]

    assert (packed.dtype, packed.tolist()) == (np.float32, [1.0, 0.0])


def test_a_missing_nullable_integer_is_nan():
    table = pd.DataFrame({"x": pd.array([1, None], "Int64")})

    assert np.isnan(model_inputs.pack(table, {"x": Column("number")})["x"][1])


def test_arrays_have_one_row_per_case_and_one_column_per_column(columns, rows):
    arrays = model_inputs.to_arrays(model_inputs.pack(rows, columns), columns)

    assert {name: (array.shape, array.dtype) for name, array in arrays.items()} == {
        "numbers": ((300, 2), np.float32),
        "categories": ((300, 1), np.object_),
        "datetimes": ((300, 1), np.float64),
    }


def test_a_kind_without_columns_has_no_array(rows):
    columns = {"size": Column("number")}

    assert [*model_inputs.to_arrays(model_inputs.pack(rows, columns), columns)] == ["numbers"]


def test_the_table_is_left_as_it_was(columns, rows):
    before = rows.copy()
    model_inputs.pack(rows, columns)

    pd.testing.assert_frame_equal(rows, before)
