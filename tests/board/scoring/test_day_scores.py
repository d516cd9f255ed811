"""Scores of days: counts add up, intervals are those of their formulas, and what is undefined has none."""

import math

import numpy as np
import pytest

from board.scoring.day_scores import Counts, Tenth, brier_of_days, day_scores, mean_roc_auc, roc_auc_interval, total, wilson

GROUP = {
    "group": "v1", "model_name": "things", "question": "good", "predictions": 12, "outcomes": 10, "coverage": 10 / 12,
    "label_rate": 0.4, "outcome_rate": 0.3, "precision": 0.5, "recall": 2 / 3, "roc_auc": 0.8, "average_precision": 0.6,
    "brier_score": 0.15, "brier_standard_error": 0.02, "calibration_error": 0.1,
    "calibration": [
        {"rows": 6, "predicted": 0.05, "observed": 1 / 6},
        {"rows": 3, "predicted": 0.5, "observed": 1 / 3},
        {"rows": 1, "predicted": 1.0, "observed": 1.0},
    ],
}  # fmt: skip


def day(brier, rows=100, auc=0.7):
    outcome = {"predictions": rows, "outcomes": rows, "brier_score": brier, "roc_auc": auc, "calibration": []}
    return day_scores({**GROUP, **outcome})


def test_hits_and_misses_come_from_the_rates():
    counts = day_scores(GROUP).counts

    assert (counts.predictions, counts.outcomes, counts.called, counts.positives) == (12, 10, 4, 3)
    assert (counts.hits, counts.misses, counts.false_alarms, counts.correct_rejections) == (2, 1, 2, 5)
    assert counts.expected == pytest.approx(6 * 0.05 + 1.5 + 1)


def test_each_tenth_has_its_place_and_certainty_is_in_the_last():
    tenths = day_scores(GROUP).counts.tenths

    assert [place for place, tenth in enumerate(tenths) if tenth.rows] == [0, 5, 9]
    assert tenths[0] == Tenth(6, pytest.approx(0.3), 1)
    assert (tenths[5].predicted, tenths[5].observed.value) == (pytest.approx(0.5), pytest.approx(1 / 3))
    assert (tenths[1].predicted, tenths[1].observed) == (None, None)


def test_days_add_up():
    both = total([day_scores(GROUP), day_scores(GROUP)])

    assert (both.predictions, both.hits, both.misses) == (24, 4, 2)
    assert both.tenths[9] == Tenth(2, 2.0, 2)
    assert total([]) == Counts()


def test_an_undefined_score_has_no_interval():
    nothing = dict.fromkeys(("label_rate", "outcome_rate", "precision", "recall", "roc_auc", "brier_score"))
    empty = day_scores({**GROUP, **nothing, "outcomes": 0, "brier_standard_error": None, "calibration": []})

    assert (empty.brier, empty.roc_auc, empty.counts.positives) == (None, None, 0)


def test_the_error_of_a_day_is_its_score_with_two_standard_errors():
    assert day_scores(GROUP).brier == pytest.approx((0.15, 0.15 - 1.96 * 0.02, 0.15 + 1.96 * 0.02), abs=1e-6)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)]
)
def test_the_interval_of_a_share_is_wilsons(successes, trials, low, high):
    assert wilson(successes, trials) == pytest.approx((successes / trials, low, high), abs=1e-4)


def test_the_interval_of_an_auc_is_that_of_hanley_and_mcneil():
    # their own example: 51 abnormal and 58 normal images, an area of 0.893 with a standard error of 0.032 or 0.033
    interval = roc_auc_interval(0.893, 51, 58)

    assert (interval.high - interval.low) / (2 * 1.96) == pytest.approx(0.0325, abs=1e-4)
    assert roc_auc_interval(None, 3, 0) is None


def test_the_error_of_many_days_lets_days_vary():
    days = [day(0.10, 50), day(0.20, 150), day(0.15, 100)]
    brier = brier_of_days(days)
    sums, rows = np.array([5.0, 30.0, 15.0]), np.array([50, 150, 100])
    residuals = sums - brier.value * rows

    assert brier.value == pytest.approx(50 / 300)
    assert (brier.high - brier.low) / (2 * 1.959964) == pytest.approx(math.sqrt(3 / 2 * (residuals**2).sum()) / 300)


def test_the_order_of_many_days_is_their_mean():
    interval = mean_roc_auc([day(0.1, auc=0.7), day(0.1, auc=0.8), day(0.1, auc=None)])

    assert interval.value == pytest.approx(0.75)
    assert (interval.high - interval.low) / 2 == pytest.approx(1.959964 * np.std([0.7, 0.8], ddof=1) / math.sqrt(2))


def test_a_single_day_keeps_its_own_intervals():
    one = day(0.1)

    assert (brier_of_days([one]), mean_roc_auc([one])) == (one.brier, one.roc_auc)
    assert (brier_of_days([]), mean_roc_auc([])) == (None, None)
