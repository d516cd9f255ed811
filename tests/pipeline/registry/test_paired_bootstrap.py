"""A candidate wins where it is significantly better and nowhere worse than tolerated, by a paired bootstrap."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

from pipeline.diff import gate_settings
from pipeline.registry import paired_bootstrap

HOW = gate_settings.Promote(resamples=200, confidence=0.95, seed=3, tolerances={"brier": 0.0005, "roc_auc": 0.002})
ONE = paired_bootstrap.Difference("roc_auc", 0.70, 0.75, 0.05, 0.04, 0.06, 0.002)


@pytest.fixture
def rows():
    """Truth, the probabilities that made it, and the day of each of 6000 rows."""
    random = np.random.default_rng(1)
    probability = random.beta(1, 3, 6000)
    return (random.random(6000) < probability).astype(float), probability, np.arange(6000) // 100


def noisy(probability, much, seed=2):
    logit = np.log(probability / (1 - probability)) + much * np.random.default_rng(seed).normal(size=len(probability))
    return 1 / (1 + np.exp(-logit))


def test_the_scores_are_those_of_scikit_learn(rows):
    truth, good, groups = rows
    bad = noisy(good, 0.5)
    brier, auc = paired_bootstrap.differences(truth, bad, good, groups, HOW)

    assert (brier.metric, auc.metric) == ("brier", "roc_auc")
    assert brier.champion == pytest.approx(metrics.brier_score_loss(truth, bad))
    assert brier.candidate == pytest.approx(metrics.brier_score_loss(truth, good))
    assert auc.gain == pytest.approx(metrics.roc_auc_score(truth, good) - metrics.roc_auc_score(truth, bad))
    assert brier.gain == pytest.approx(brier.champion - brier.candidate)
    assert brier.low < brier.gain < brier.high


def test_the_better_one_wins_and_the_worse_one_does_not(rows):
    truth, good, groups = rows
    bad = noisy(good, 0.5)

    assert paired_bootstrap.beats_champion(paired_bootstrap.differences(truth, bad, good, groups, HOW))
    assert not paired_bootstrap.beats_champion(paired_bootstrap.differences(truth, good, bad, groups, HOW))


def test_a_model_does_not_beat_itself(rows):
    truth, good, groups = rows
    found = paired_bootstrap.differences(truth, good, good, groups, HOW)

    assert [(metric.gain, metric.low, metric.high, metric.exceeds_tolerance) for metric in found] == [
        (0.0, 0.0, 0.0, False)
    ] * 2
    assert not paired_bootstrap.beats_champion(found)
    assert (
        paired_bootstrap.explain_decision(found)
        == "brier differs by +0.0000, within chance; roc_auc differs by +0.0000, within chance"
    )


def test_pairs_are_narrower_than_two_intervals(rows):
    truth, good, groups = rows
    near = noisy(good, 0.1)
    (auc,) = paired_bootstrap.differences(truth, near, good, groups, replace(HOW, tolerances={"roc_auc": 0.0}))
    spread = np.ptp(
        np.quantile(
            [
                metrics.roc_auc_score(truth, good, sample_weight=w)
                for w in paired_bootstrap.bootstrap.bootstrap_weights(groups, 100, 3)
            ],
            [0.025, 0.975],
        )
    )

    assert auc.high - auc.low < spread / 3


def test_groups_are_drawn_whole(rows):
    truth, good, groups = rows
    (daily,) = paired_bootstrap.differences(
        truth, noisy(good, 0.5), good, groups * 0, replace(HOW, tolerances={"roc_auc": 0.0})
    )

    assert daily.low == pytest.approx(daily.high)  # there is one group, so that every resample is the table


def test_each_resample_of_each_model_is_told(rows):
    told = []
    paired_bootstrap.differences(*rows[:2], rows[1], rows[2], HOW, lambda: told.append(1))

    assert len(told) == 2 * HOW.resamples


@pytest.mark.parametrize(
    ("low", "tolerance", "better", "exceeds_tolerance"),
    [
        (0.001, 0.0, True, False),
        (0.0, 0.0, False, False),
        (-0.001, 0.002, False, False),
        (-0.002, 0.002, False, False),
        (-0.0021, 0.002, False, True),
        (float("nan"), 1.0, False, True),
    ],
)
def test_the_lower_end_decides(low, tolerance, better, exceeds_tolerance):
    found = replace(ONE, low=low, tolerance=tolerance)

    assert (found.is_better, found.exceeds_tolerance) == (better, exceeds_tolerance)


def test_a_champion_that_fell_on_these_rows_is_told_from_one_that_held():
    brier = paired_bootstrap.Difference("brier", 0.20, 0.15, 0.05, 0.04, 0.06, 0.0005)

    assert (
        paired_bootstrap.explain_degradation([ONE, brier], {"metric.roc_auc": "0.701900", "metric.brier": "0.199600"}) == ""
    )
    assert paired_bootstrap.explain_degradation(
        [ONE, brier], {"metric.roc_auc": "0.770000", "metric.brier": "0.140000"}
    ) == ("its roc_auc is 0.7000 on them, and was 0.7700 on its own; its brier is 0.2000 on them, and was 0.1400 on its own")
    assert paired_bootstrap.explain_degradation([ONE], {}) == ""


def test_a_candidate_better_in_one_metric_and_too_much_worse_in_the_other_loses_with_the_reason():
    brier = paired_bootstrap.Difference("brier", 0.14, 0.141, -0.001, -0.0015, -0.0005, 0.0005)

    assert paired_bootstrap.beats_champion([ONE])
    assert not paired_bootstrap.beats_champion([ONE, brier])
    assert paired_bootstrap.explain_decision([ONE]) == "roc_auc is better by 0.0500 (0.0400 to 0.0600): 0.7000 to 0.7500"
    assert paired_bootstrap.explain_decision([replace(brier, low=float("nan"))]) == "brier is undefined for one of them"
    assert (
        paired_bootstrap.explain_decision([ONE, brier])
        == "brier may be worse by 0.00150 (0.1400 to 0.1410; 0.0005 is tolerated)"
    )
