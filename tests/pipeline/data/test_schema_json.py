"""A column is described by its declaration and by what the training table held."""

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest

from pipeline.config.settings import Column, Dataset, RawTable, Target, TimeSplit
from pipeline.data import schema_json

SPLIT = TimeSplit("time", "moment", date(2013, 1, 1))


def described(values, column):
    data = Dataset("things", Target("good", "It is good", "yes"), {"x": column}, SPLIT)
    table = pd.DataFrame({"x": values}).assign(good=[1] + [0] * (len(values) - 1))
    return schema_json.describe(data, table)


def test_a_described_number_has_its_declaration_and_what_was_seen():
    column = Column("number", "How long", "m", (0.0, None), nullable=False, available_from="at once", topic="size")

    assert described([1.0, 5.0, 3.0], column)["columns"][0] == {
        "name": "x",
        "kind": "number",
        "description": "How long",
        "topic": "size",
        "unit": "m",
        "available_from": "at once",
        "required": True,
        "nullable": False,
        "minimum": 0.0,
        "maximum": None,
        "example": 3.0,
        "typical": 3.0,
        "seen": {"minimum": 1.0, "maximum": 5.0},
        "reference": schema_json.reference_distribution(pd.Series([1.0, 5.0, 3.0])),
    }


def test_the_description_names_the_recipe_and_the_tables_that_events_change():
    columns = {"code": Column("category", categories=("a", "b"), nullable=False), "size": Column("number", range=(0, None))}
    tables = {"parts": RawTable(file="parts.csv", columns=columns, key=("code",))}
    data = Dataset("things", Target("good"), {}, SPLIT, {"hours": 2}, recipe="flights", tables=tables)
    bounds = {"minimum": None, "maximum": None, "categories": None, "nullable": True}

    assert schema_json.describe(data, pd.DataFrame({"good": [0, 1]}))["source"] == {
        "recipe": "flights",
        "options": {"hours": 2},
        "tables": {
            "parts": {
                "key": ["code"],
                "columns": {
                    "code": {**bounds, "kind": "category", "categories": ["a", "b"], "nullable": False},
                    "size": {**bounds, "kind": "number", "minimum": 0},
                },
            }
        },
    }


def test_the_description_of_a_table_without_events_has_no_source():
    assert described([1.0], Column("number"))["source"] is None


def test_the_description_holds_the_target_and_its_rate():
    found = described([1.0, 2.0, 3.0, 4.0], Column("number"))

    assert found["target"] == {"name": "good", "description": "It is good", "positive": "yes", "rate": 0.25}
    assert found["rows"] == 4


def test_a_described_category_has_the_values_seen_in_order_and_the_most_frequent_as_example():
    found = described(["b", "a", None, "b"], Column("category"))["columns"][0]

    assert (found["categories"], found["seen"], found["example"]) == (None, {"categories": ["a", "b"]}, "b")


def test_a_described_category_keeps_the_declared_ones_that_training_lacked():
    found = described(["b", "a"], Column("category", categories=("a", "b", "c")))["columns"][0]

    assert (found["categories"], found["seen"]) == (["a", "b", "c"], {"categories": ["a", "b"]})


def test_the_example_among_equally_frequent_values_is_the_first_of_the_alphabet():
    assert described(["b", "a"], Column("category"))["columns"][0]["example"] == "a"


def test_a_declared_example_wins():
    assert described([1.0], Column("number", example=7.0))["columns"][0]["example"] == 7.0


@pytest.mark.parametrize(
    ("kind", "values"),
    [("number", np.array([np.nan, np.nan])), ("category", [None, None]), ("datetime", pd.to_datetime([None, None]))],
)
def test_an_empty_column_is_described_as_json(kind, values):
    found = described(values, Column(kind))

    assert found["columns"][0]["example"] is None
    assert found["columns"][0]["reference"]["missing"] == 1.0
    json.dumps(found, allow_nan=False)


def test_moments_are_described_as_text():
    found = described(pd.to_datetime(["2013-01-02 03:00", "2013-01-01 00:00"]), Column("datetime"))["columns"][0]

    assert found["seen"] == {"minimum": "2013-01-01T00:00:00", "maximum": "2013-01-02T03:00:00"}
    assert found["reference"] == {"missing": 0.0}


def test_the_reference_of_a_number_is_ten_equal_shares_between_nine_edges():
    found = schema_json.reference_distribution(pd.Series(np.arange(1.0, 101.0)))

    assert len(found["edges"]) == 9
    assert found["shares"] == [0.1] * 10
    assert found["missing"] == 0.0


def test_the_shares_of_a_reference_are_those_of_its_edges():
    values = pd.Series([0.0] * 7 + [1.0, 2.0, 3.0, None, None])
    found = schema_json.reference_distribution(values)
    inside = np.searchsorted(found["edges"], values.dropna(), side="left")

    assert found["shares"] == [float((inside == place).mean()) for place in range(len(found["edges"]) + 1)]
    assert sum(found["shares"]) == pytest.approx(1)
    assert found["missing"] == pytest.approx(2 / 12, abs=1e-6)


def test_the_reference_of_a_category_has_shares_from_the_most_frequent_on():
    found = schema_json.reference_distribution(pd.Series(["b", "a", "b", "c", None]))

    assert found == {"missing": 0.2, "shares": {"b": 0.5, "a": 0.25, "c": 0.25}}
    assert [*found["shares"]] == ["b", "a", "c"]


def test_the_reference_of_many_categories_keeps_the_fifty_most_frequent():
    values = pd.Series([f"c{number:02}" for number in range(60)] + ["c59"])
    found = schema_json.reference_distribution(values)["shares"]

    assert len(found) == 50
    assert [*found][:2] == ["c59", "c00"]


def test_numbers_keep_six_digits():
    assert described([1.23456789], Column("number"))["columns"][0]["example"] == 1.23457


@pytest.mark.parametrize(
    ("kind", "values", "typical"),
    [
        ("number", [5.0, 1.0, 3.0], 3.0),
        ("number", [5.0, None], 5.0),
        ("number", [5.0, None, None], None),
        ("category", ["b", "a", "b"], "b"),
        ("category", ["b", "a"], "a"),
        ("category", ["b", "b", None, None], "b"),
        ("category", ["a", "b", None, None], None),
        ("datetime", pd.to_datetime(["2013-01-02", "2013-01-09", "2013-01-01"]), "2013-01-02T00:00:00"),
        ("datetime", pd.to_datetime(["2013-01-02", None, None]), None),
    ],
)
def test_typical_is_the_middle_or_most_frequent_value_or_none_where_that_is_more_frequent(kind, values, typical):
    assert described(values, Column(kind))["columns"][0]["typical"] == typical
