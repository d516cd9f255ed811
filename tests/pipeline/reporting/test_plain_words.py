"""Scores in words: each count is the one that the scores give, and what is undefined is left out."""

import numpy as np
import pandas as pd
import pytest

from pipeline.config.settings import Evaluate
from pipeline.evaluation import slice_scores
from pipeline.evaluation.row_labels import RowLabels, Slicing
from pipeline.reporting import plain_words


def evaluated(truth, probability, threshold=0.5, bins=4):
    settings = Evaluate(1, 20, 0.9, calibration_bins=bins, smallest_slice=1, importance_rows=100, reasons_rows=50)
    labels = RowLabels.from_tables([pd.DataFrame({"truth": truth})], "truth", Slicing((), None))
    return slice_scores.evaluate(labels, np.asarray(probability, float), threshold, settings)


def sentences(*args, **options):
    threshold = options.get("threshold", 0.5)
    return plain_words.sentences(evaluated(*args, **options), threshold, 0.9)


# 10 cases a bin: 1 of those called 10 %, 2 of 20 %, 4 of 50 %, 9 of 80 % come true
TRUTH = np.repeat([1, 0] * 4, [1, 9, 2, 8, 4, 6, 9, 1])
CALLED = np.repeat([0.1, 0.2, 0.5, 0.8], 10)


def test_calibration_is_counted_out_of_100():
    first = sentences(TRUTH, CALLED)[0]

    assert first == (
        "Of 100 cases that it calls 10 % likely, 10 came true; of 100 cases that it calls 50 % likely, 40 came true; "
        "of 100 cases that it calls 80 % likely, 90 came true."
    )


def test_the_order_is_that_of_pairs():
    higher = [(yes > no) + (yes == no) / 2 for yes in CALLED[TRUTH == 1] for no in CALLED[TRUTH == 0]]
    second = sentences(TRUTH, CALLED)[1]

    assert f"has the higher probability {100 * np.mean(higher):.0f} times in 100." in second
    assert "Guessing would manage 50. On other cases" in second
    assert "(with 90 % confidence)." in second


def test_yes_and_no_are_counted_at_the_threshold():
    third = sentences(TRUTH, CALLED)[2]

    assert third == (
        "It says yes if the probability is at least 50 %, which is 50 times in 100. Of 100 cases that it says yes to, 65 "
        "come true; of 100 cases that come true, it says yes to 81."
    )


def test_a_threshold_that_nothing_reaches_is_no_division_by_zero():
    assert sentences(TRUTH, CALLED, threshold=0.9)[2] == (
        "It says yes if the probability is at least 90 %, and none of the cases that it said yes to came true."
    )


def test_errors_are_compared_with_those_of_the_base_rate():
    brier = np.mean((CALLED - TRUTH) ** 2)
    smaller = 1 - brier / (TRUTH.mean() * (1 - TRUTH.mean()))

    assert sentences(TRUTH, CALLED)[3] == (
        f"Its squared errors are {100 * smaller:.0f} % smaller than those of a forecast that gives every case the "
        "same 40 %, the share that came true."
    )
    assert "% larger than those" in sentences(1 - TRUTH, CALLED)[3]


@pytest.mark.parametrize("truth", [0, 1])
def test_one_class_has_no_order_and_no_base_rate_to_compare_with(truth):
    assert len(sentences(np.full(40, truth), CALLED)) == 2


@pytest.mark.parametrize(
    ("share", "words"),
    [(0, "0"), (0.001, "fewer than 1"), (0.305, "30"), (0.7749, "77"), (0.999, "more than 99"), (1, "100")],
)
def test_what_is_rounded_to_none_or_all_says_so(share, words):
    assert plain_words.of_100(share) == words
