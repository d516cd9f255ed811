"""The columns of a table that nobody declared are inferred, and what is left out is said with its reason."""

from datetime import date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest
import yaml

from pipeline.data import column_inference
from pipeline.support.errors import TableInvalid

ROWS = 200


def inferred(values):
    """The kind of one column among the columns of a table, None where it is left out, and what is said of it."""
    columns, remarks = column_inference.infer(
        pa.table({"x": values, "other": [0.5] * len(values), "y": [1] * len(values)}), "y"
    )
    return columns["x"].kind if "x" in columns else None, " ".join(remarks)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1, "number"),
        (0.5, "number"),
        (Decimal("1.5"), "number"),
        (datetime(2024, 1, 2, 8), "datetime"),
        (date(2024, 1, 2), "datetime"),
        ("2024-01-02 08:00", "datetime"),
        ("2024-01-02T08:00:00Z", "datetime"),
        ("red", "category"),
        ("12", "category"),
        (True, "category"),
    ],
)
def test_a_column_has_the_kind_of_its_values(value, kind):
    assert inferred([value, None] * (ROWS // 2)) == (kind, "")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array(["a"]).dictionary_encode(), "category"),
        (pa.array([1.5]).dictionary_encode(), "number"),
        (pa.array(["a"], pa.string_view()), "category"),
        (pa.array([b"a"], pa.binary_view()), "category"),
        (pa.array([b"a"], pa.binary(1)), None),
        (pa.array([1.5], pa.float16()), "number"),
        (pa.array([Decimal("1.5")], pa.decimal256(40, 1)), "number"),
        (pa.array([1], pa.duration("s")), None),
        (pa.array([date(2024, 1, 2)], pa.date64()), "datetime"),
        (pa.array([(1, 2, 3)], pa.month_day_nano_interval()), None),
        (pa.array([[1]], pa.list_(pa.int8(), 1)), None),
        (pa.array([{"a": 1}]), None),
    ],
    ids=str,
)
def test_a_column_of_any_type_is_taken_or_left_out_with_a_word(values, kind):
    values = pa.chunked_array([values] * ROWS)
    assert inferred(values) == (kind, "" if kind else f"x is left out: it is of the type {values.type}.")


@pytest.mark.parametrize(
    ("values", "remark"),
    [
        ([None] * ROWS, "x is left out: it is empty."),
        ([f"Mr {row}" for row in range(ROWS)], "x is left out: 200 different texts in 200 rows are no categories."),
        ([time(8)] * ROWS, "x is left out: it is of the type time64[us]."),
        ([[1, 2]] * ROWS, "x is left out: it is of the type list<item: int64>."),
    ],
)
def test_a_column_from_which_nothing_can_be_learned_is_left_out_and_says_so(values, remark):
    assert inferred(values) == (None, remark)


def test_a_number_that_may_identify_the_row_is_taken_with_a_word():
    assert inferred(list(range(ROWS))) == (
        "number",
        "x has another number in each row: leave it out if it identifies the row.",
    )


def test_the_target_is_no_column_and_a_table_of_it_alone_is_refused():
    with pytest.raises(TableInvalid, match=r"it has none\. x is left out: it is empty\. Declare some\."):
        column_inference.infer(pa.table({"y": [1, 0], "x": pa.nulls(2)}), "y")


def test_what_is_written_down_is_the_block_that_declares_it():
    columns, _ = column_inference.infer(pa.table({"größe": [0.5, 0.5], "y": [1, 0]}), "y")

    assert yaml.safe_load(column_inference.dump(columns)) == {"columns": {"größe": {"kind": "number"}}}
