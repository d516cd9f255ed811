"""The recipe for any table: its rows are the examples, and its target is 1 where it has the positive label."""

import pandas as pd
import pytest

from pipeline.config.params_file import read_params
from pipeline.recipes import table
from pipeline.support.errors import OntimeError, TableInvalid


@pytest.fixture
def data(values):
    def made(positive="yes", **columns):
        values["data"]["target"]["positive"] = positive
        values["data"]["columns"] = columns or {"size": {"kind": "number"}}
        return read_params(values).data

    return made


def made(frame, data):
    return table.examples({"table": frame}, data, table.Options())


def test_rows_without_a_target_are_left_out_and_counted(data):
    found, left_out = made(pd.DataFrame({"size": [1, 2, 3], "good": ["yes", None, "no"], "more": 0}), data())

    assert found.to_dict("list") == {"size": [1, 3], "good": [1, 0]}
    assert left_out == {"good unknown": 1}
    assert found.index.tolist() == [0, 1]


def test_columns_come_in_declared_order(data):
    frame = pd.DataFrame({"a": [1, 2], "b": [3, 4], "good": ["yes", "no"]})

    assert [*made(frame, data(b={"kind": "number"}, a={"kind": "number"}))[0]] == ["b", "a", "good"]


@pytest.mark.parametrize(
    ("positive", "labels"),
    [("yes", ["no", "yes"]), (1, [0, 1]), (True, [False, True]), (1, ["0", "1"]), ("1", [0, 1]), (1, [0.0, 1.0])],
)
def test_the_positive_label_may_be_of_any_type(data, positive, labels):
    found, _ = made(pd.DataFrame({"size": [1, 2], "good": labels}), data(positive))

    assert found["good"].tolist() == [0, 1]


def test_a_whole_number_is_found_beside_missing_ones_that_make_the_column_decimal(data):
    found, _ = made(pd.DataFrame({"size": [1, 2, 3], "good": [0, None, 1]}), data(1))

    assert found["good"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (["no", "no"], "yes is none of them"),
        (["yes", "yes"], "all rows would have the same answer"),
        (["Yes", "no"], "yes is none of them"),
        (["yes", "no", "maybe"], "Ontime answers questions with two answers"),
    ],
)
def test_a_label_that_makes_no_question_is_refused_beside_those_there_are(data, labels, problem):
    shown = ", ".join(sorted(set(labels)))

    with pytest.raises(
        TableInvalid, match=rf"data\.target\.positive is 'yes'; column good holds {shown}: {problem}.*in quotes .* in YAML"
    ):
        made(pd.DataFrame({"size": range(len(labels)), "good": labels}), data())


def test_a_number_is_no_question_until_it_is_compared(data):
    table = pd.DataFrame({"size": range(12), "good": [100, 200, 300] * 4})

    with pytest.raises(TableInvalid, match=r'positive is 200; column good holds 100, 200, 300: .* or ">200" for a number'):
        made(table, data(200))
    for positive, expected in ((">200", [0, 0, 1]), (">= 200", [0, 1, 1]), ("<200", [1, 0, 0]), ("<=200.5", [1, 1, 0])):
        assert made(table, data(positive))[0]["good"].tolist() == expected * 4


@pytest.mark.parametrize("labels", [["100", "300"], [100.0, 300.0], [0.5, 300]])
def test_labels_are_compared_as_numbers_however_they_are_written(data, labels):
    assert made(pd.DataFrame({"size": [1, 2], "good": labels}), data(">200"))[0]["good"].tolist() == [0, 1]


def test_a_label_that_looks_like_a_comparison_is_a_label(data):
    table = pd.DataFrame({"size": [1, 2], "good": [">50K", "<=50K"]})

    assert made(table, data(">50K"))[0]["good"].tolist() == [1, 0]


def test_text_is_not_compared_with_a_number(data):
    with pytest.raises(TableInvalid, match=r"column good holds few, many: >200 is none of them"):
        made(pd.DataFrame({"size": [1, 2], "good": ["few", "many"]}), data(">200"))


def test_several_labels_may_be_positive_together(data):
    table = pd.DataFrame({"size": [1, 2, 3], "good": ["a", "b", "c"]})

    assert made(table, data(["a", "b"]))[0]["good"].tolist() == [1, 1, 0]
    assert made(table, data(["a"]))[0]["good"].tolist() == [1, 0, 0]
    with pytest.raises(TableInvalid, match="x is none of them"):
        made(table, data(["a", "x"]))


def test_an_empty_list_declares_no_answer(data):
    with pytest.raises(TableInvalid, match=r"positive is \[\]; column good holds no, yes: which of them .* is not declared"):
        made(pd.DataFrame({"size": [1, 2], "good": ["no", "yes"]}), data([]))


def test_blanks_around_a_label_are_shown_by_quotes(data):
    with pytest.raises(TableInvalid, match=r"column good holds no, 'yes ': yes is none of them"):
        made(pd.DataFrame({"size": [1, 2], "good": ["no", "yes "]}), data())
    with pytest.raises(TableInvalid, match=r"column good holds no, yes: ' yes' is none of them"):
        made(pd.DataFrame({"size": [1, 2], "good": ["no", "yes"]}), data(" yes"))


def test_labels_of_a_csv_file_keep_their_zeros(data):
    assert made(pd.DataFrame({"size": [1, 2], "good": ["01", "02"]}), data("01"))[0]["good"].tolist() == [1, 0]
    with pytest.raises(TableInvalid, match="holds 01, 02: 1 is none of them"):
        made(pd.DataFrame({"size": [1, 2], "good": ["01", "02"]}), data(1))


def test_a_table_whose_targets_are_all_missing_is_refused(data):
    with pytest.raises(TableInvalid, match="column good holds nothing"):
        made(pd.DataFrame({"size": [1.0], "good": pd.Series([None], dtype="object")}), data())


def test_a_target_that_is_no_column_is_refused_beside_the_columns(data):
    with pytest.raises(TableInvalid, match=r"data\.target\.name is good; the table has the columns size, bad"):
        made(pd.DataFrame({"size": [1], "bad": ["yes"]}), data())


def test_more_than_one_table_is_refused(data):
    frame = pd.DataFrame({"size": [1, 2], "good": ["yes", "no"]})

    with pytest.raises(OntimeError, match="table"):
        table.examples({"a": frame, "b": frame}, data(), table.Options())


def test_the_table_is_left_as_it_was(data):
    frame = pd.DataFrame({"size": [1, 2], "good": ["yes", "no"]})
    before = frame.copy()
    made(frame, data())

    pd.testing.assert_frame_equal(frame, before)
