"""The model card says what was found and what was declared, shows values as they are, and is the same bytes every time."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt

from pipeline.config.params_file import read_params
from pipeline.config.parsing import parse_settings
from pipeline.config.settings import Card, Dataset
from pipeline.evaluation import slice_scores
from pipeline.evaluation.row_labels import RowLabels, Slicing
from pipeline.reporting import model_card, rendering
from pipeline.reporting.model_card import text
from pipeline.reporting.rendering import Run

CARD = Card(
    purpose="Says which things\nare **good**.",
    uses=("Choosing a thing.",),
    not_for=("People.", "Money."),
    limits=("300 things.",),
    source="[A shop](https://example.org).",
    licence="CC0",
    contact="The shop.",
)
LARGE = "red", "blue"
METADATA = {
    "question": {"late_minutes": 15},
    "threshold": 0.4321,
    "calibration": {"slope": 1.0, "intercept": 0.0},
    "rows": {"trained": 12345, "table": 12345},
    "parameters": {"model": {"name": "logistic", "max_iter": 100}, "train": {"seed": 1, "threshold": "f1"}},
    "versions": {"numpy": "2.4.6", "onnx": "1.20.1"},
    "data": {"train": "aa11", "test": "bb22"},
    "sha256": {"model.onnx": "cc33"},
}


@pytest.fixture
def settings(values):
    values["data"] |= {
        "slices": ["colour"],
        "target": {"name": "good", "description": "The thing is good", "positive": "yes"},
        "columns": {
            "size": {"kind": "number", "available_from": "at once", "description": "Height | width"},
            "colour": {"kind": "category", "available_from": "at once"},
            "moment": {"kind": "datetime", "available_from": "too late"},
        },
    }
    return read_params(values)


@pytest.fixture
def test_rows():
    """200 rows, 100 of each colour; a good one is always more probable if it is red."""
    colour = np.repeat(LARGE, 100)
    truth = np.tile([0.0, 1.0], 100)
    probability = np.where(colour == "red", 0.2 + 0.6 * truth, np.linspace(0.1, 0.9, 200))
    moments = pd.Timestamp("2013-10-01 05:00") + pd.to_timedelta(np.arange(200), "h")
    return pd.DataFrame({"colour": colour, "moment": moments}), truth, probability


def run(test_rows, settings, slices=("colour",), **more):
    test, truth, probability = test_rows
    labels = RowLabels.from_tables(
        [test.assign(truth=truth)], "truth", Slicing(slices, None, settings.evaluate.smallest_slice)
    )
    evaluation = slice_scores.evaluate(labels, probability, 0.5, settings.evaluate)
    tested = test["moment"].min(), test["moment"].max()
    schema = {
        "target": {"rate": 0.25},
        "columns": [
            {"name": "size", "topic": "size"},
            {"name": "colour", "topic": "looks"},
            {
                "name": "moment",
                "topic": "looks",
                "seen": {"minimum": "2013-01-01T05:15:00", "maximum": "2013-09-30T23:59:00"},
            },
        ],
    }
    counts = {"train": 12345, "test": 200, "left_out": {"good unknown": 17}}
    importances = pd.DataFrame({"column": ["size", "colour", "moment"], "auc_loss": [0.1, 0.0, -0.0001]})
    contributions = pd.DataFrame({"topic": ["looks", "size"], "mean_absolute_contribution": [0.1234, 0.0]})
    values = Run("abc123", METADATA, schema, counts, {"roc_auc": 0.75}, tested, evaluation, importances, contributions)
    return replace(values, **more)


@pytest.fixture
def made(test_rows, settings):
    """A function from what differs to the card."""

    def card(declared=CARD, data=None, slices=("colour",), rows=test_rows, **more):
        return model_card.render(run(rows, settings, slices, **more), declared, data or settings.data.dataset(), settings)

    return card


def section(card, heading):
    return card.split(f"## {heading}\n\n")[1].split("\n## ")[0].strip()


def tables(card):
    """The rows of all tables as a reader of Markdown sees them: lists of cells."""
    rows = []
    for token in MarkdownIt("commonmark").enable("table").parse(card):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows and token.level >= 4:
            rows[-1].append("".join(child.content for child in token.children))
    return rows


def test_a_card_is_this_text(made):
    head = made().split("## How good it is")[0]

    assert (
        head
        == """# Model card: things

Says which things are **good**.

The stage `evaluate` writes this page. The texts that only a person can write are in conf/card/things.yaml.

| | |
|---|---|
| Version | abc123 |
| Predicts the probability that | The thing is good (good = yes) |
| late_minutes | 15 |
| Predicts yes | if the probability is at least 0.4321 |
| ROC AUC on the test rows | 0.8175 (0.7409 to 0.8390) |
| Licence | CC0 |
| Contact | The shop. |

## What it is for

- Choosing a thing.

## What it is not for

- People.
- Money.

## Limits

- 300 things.

## Data

[A shop](https://example.org).

| Source table | File | SHA-256 |
|---|---|---|
| table | things.csv | not declared |

| | Rows | Positive | Which | SHA-256 |
|---|---|---|---|---|
| Training | 12,345 | 25.0 % | a random 75 % | aa11 |
| Test | 200 | 50.0 % | a random 25 % | bb22 |

17 rows were left out of training and scoring: good unknown.

## How it was made

| | |
|---|---|
| Model | name logistic, max_iter 100 |
| Fitted with | seed 1, threshold f1 |
| Calibration | none: scaling the log-odds improved nothing on training rows that the model had not seen |
| Threshold | 0.4321, the one with the best F1 on training rows, each scored by a model that had not seen it |
| Versions | numpy 2.4.6, onnx 1.20.1 |
| model.onnx | SHA-256 cc33 |

"""
    )


def test_the_same_numbers_give_the_same_bytes(made):
    assert made() == made()


def test_what_nobody_declared_says_where_to_write_it(made):
    card = made(Card())

    for heading, key in (("What it is for", "uses"), ("What it is not for", "not_for"), ("Limits", "limits")):
        assert section(card, heading) == f"Not declared: write `{key}` in conf/card/things.yaml."
    assert "\n\nNot declared: write `purpose` in conf/card/things.yaml.\n" in card
    assert "| Licence | Not declared: write `licence` in conf/card/things.yaml. |" in card


def test_a_declared_text_keeps_its_markup_and_its_cell(made):
    card = made(Card(licence="CC0 | *MIT* \\| [BSD](https://example.org)"))

    assert ["Licence", "CC0 | MIT | BSD"] in tables(card)


def test_every_score_has_its_interval_and_its_validation(made, test_rows, settings):
    overall = run(test_rows, settings).evaluation.overall
    brier = overall["brier"]

    assert ["Brier score", f"{brier['value']:.4f}", f"{brier['low']:.4f} to {brier['high']:.4f}", "-"] in tables(made())
    assert [row[3] for row in tables(made()) if row[0] == "ROC AUC"] == ["0.7500"]
    assert [row[0] for row in tables(section(made(), "How good it is"))][1:] == list(rendering.NAMES.values())


def test_the_slices_with_the_highest_and_the_lowest_auc_are_named_with_their_rows(made):
    rows = tables(section(made(), "Where it is best and worst"))[1:]

    assert [row[:6] for row in rows] == [
        ["colour", "highest", "red", "100", "50.0 %", "1.0000 (1.0000 to 1.0000)"],
        ["colour", "lowest", "blue", "100", "50.0 %", "0.5100 (0.3765 to 0.5883)"],
    ]


def test_a_slice_of_one_class_is_neither_best_nor_worst(made, test_rows):
    rows, truth, probability = test_rows
    card = made(rows=(rows, np.where(rows["colour"] == "red", 0.0, truth), probability))

    assert [row[:3] for row in tables(section(card, "Where it is best and worst"))[1:]] == [["colour", "only", "blue"]]


@pytest.mark.parametrize("slices", [(), ("colour",)])
def test_slices_without_any_auc_leave_a_sentence(made, test_rows, slices):
    rows, _, probability = test_rows
    card = made(slices=slices, rows=(rows, (rows["colour"] == "red").to_numpy(float), probability))

    assert "No slice has a ROC AUC" in section(card, "Where it is best and worst")


def test_topics_are_named_with_their_mean_contribution_and_how_many_columns_they_have(made):
    assert tables(section(made(), "What each topic contributes"))[1:] == [
        ["looks", "12.3 points", "2"],
        ["size", "0.0 points", "1"],
    ]


def test_ten_columns_at_most_are_named_with_what_they_are(made):
    assert tables(section(made(), "What matters most"))[1] == ["size", "0.1000", "at once", "Height | width"]


def test_columns_are_counted_by_when_they_are_available(made):
    assert tables(section(made(), "What was available when"))[1:] == [["at once", "2"], ["too late", "1"]]


def test_a_split_by_time_is_told_by_the_days_that_are_in_it(made, settings):
    data = parse_settings(
        Dataset,
        {
            "name": "things",
            "target": {"name": "good"},
            "columns": {"size": {"kind": "number"}, "colour": {"kind": "category"}, "moment": {"kind": "datetime"}},
            "split": {"by": "time", "column": "moment", "test_from": "2013-10-01"},
        },
    )
    rows = {row[0]: row[3] for row in tables(section(made(data=data), "Data")) if len(row) == 5}

    assert rows["Training"] == "2013-01-01 to 2013-09-30"
    assert rows["Test"] == "2013-10-01 to 2013-10-09"


def test_a_threshold_that_somebody_set_is_told_as_such(made):
    parameters = {**METADATA["parameters"], "train": {"threshold": 0.3}}

    assert "as set in train.threshold |" in made(metadata={**METADATA, "parameters": parameters})


def test_a_calibration_is_told_with_its_numbers(made):
    card = made(metadata={**METADATA, "calibration": {"slope": 0.9, "intercept": -0.1}})

    assert "log-odds times 0.9 plus -0.1" in card


@pytest.mark.parametrize(
    "value", ["a|b", "`x`", "*x*", "__x__", "<b>x</b>", "[x](y)", "a\\b", "~~x~~", "&amp;", "snake_case_name"]
)
def test_a_value_is_shown_as_it_is(value):
    (row,) = tables(f"| {text(value)} |\n|---|\n")

    assert row == [value]


def test_a_name_is_written_without_escapes():
    assert text("departure_delay_1h") == "departure_delay_1h"


def test_a_value_of_several_lines_stays_in_its_row():
    assert text("two\nlines") == "two lines"


def test_slices_named_like_markup_keep_their_table(made, test_rows):
    rows, truth, probability = test_rows
    odd = rows.assign(colour=rows["colour"].replace({"red": "red|green", "blue": "<i>blue"}))

    assert {row[2] for row in tables(section(made(rows=(odd, truth, probability)), "Where it is best and worst"))[1:]} == {
        "red|green",
        "<i>blue",
    }


def test_probabilities_that_are_off_by_far_are_said_to_be(test_rows, settings):
    test, truth, _ = test_rows
    right, wrong = (
        model_card.render(run((test, answers, truth * 0.9 + 0.05), settings), CARD, settings.data.dataset(), settings)
        for answers in (truth, 1 - truth)
    )

    assert (
        "**The probabilities are off by far.** Of 40 test rows with a mean prediction of 5.0 %, 100.0 % were positive"
        in wrong
    )
    assert "off by far" not in right


def test_no_row_left_out_is_no_sentence(test_rows, settings):
    none_left_out = run(test_rows, settings, counts={"train": 1, "test": 200, "left_out": {"good unknown": 0}})

    assert "left out" not in model_card.render(none_left_out, CARD, settings.data.dataset(), settings)


def test_a_card_of_a_model_of_a_sample_says_of_how_many_rows(made):
    card = made(metadata={**METADATA, "rows": {"trained": 1000, "table": 12345}})
    (row,) = (cells for cells in tables(card) if cells[0] == "Sample")

    assert row[1].startswith("1,000 of 12,345 training rows, drawn with the seed 1: model, calibration and threshold come")
    assert "| Sample |" not in made()


def test_a_setting_without_a_value_is_left_out(made):
    parameters = {**METADATA["parameters"], "train": {"seed": 1, "threshold": "f1", "max_rows": None}}

    assert "| Fitted with | seed 1, threshold f1 |" in made(metadata={**METADATA, "parameters": parameters})
