"""Log-odds become probabilities that keep their word, and the threshold follows its rule."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from pipeline.modeling import calibration
from pipeline.modeling.calibration import CalibratedModel


def test_slope_and_intercept_maximise_the_likelihood():
    random = np.random.default_rng(1)
    log_odds = random.normal(size=2000)
    truth = (random.random(2000) < expit(0.6 * log_odds - 1)).astype(int)

    def loss(line):
        value = line[0] * log_odds + line[1]
        return np.logaddexp(0, value).sum() - value[truth == 1].sum()

    best = minimize(loss, [1.0, 0.0], tol=1e-10).x
    assert calibration.fit_platt(log_odds, truth) == pytest.approx(best, abs=2e-4)


def test_calibrated_probabilities_have_the_mean_of_the_truth():
    random = np.random.default_rng(2)
    log_odds, truth = random.normal(size=500), random.integers(0, 2, 500)
    slope, intercept = calibration.fit_platt(log_odds, truth)

    assert expit(slope * log_odds + intercept).mean() == pytest.approx(truth.mean(), abs=1e-4)


def test_slope_and_intercept_have_four_decimals():
    result = calibration.fit_platt(np.array([-1.0, 0.3, -0.2, 1.0]), np.array([0, 1, 1, 0]))

    assert [round(value, 4) for value in result] == [*result]


class Odds:
    """An estimator whose log-odds are the column x."""

    def decision_function(self, frame):
        return frame["x"].to_numpy()


def test_a_probability_is_the_sigmoid_of_the_scaled_and_shifted_log_odds():
    result = CalibratedModel(Odds(), slope=2.0, intercept=-1.0).probability(pd.DataFrame({"x": [0.5, 1.0]}))

    assert result.tolist() == pytest.approx([0.5, 1 / (1 + np.exp(-1))], rel=1e-12)


def test_a_threshold_given_is_the_threshold():
    assert calibration.choose_threshold(0.123456, np.array([0.1]), np.array([1])) == 0.123456


def test_the_rate_threshold_calls_as_many_positive_as_there_are():
    probability = np.linspace(0, 1, 200) ** 2
    truth = np.arange(200) % 5 == 0
    chosen = calibration.choose_threshold("rate", probability, truth)

    assert (probability >= chosen).sum() == truth.sum()


def test_the_f1_threshold_has_the_best_f1_of_all():
    random = np.random.default_rng(4)
    probability = random.integers(1, 100, 400) / 100
    truth = random.random(400) < probability

    def f1(threshold):
        called = probability >= threshold
        return 2 * (called & truth).sum() / (called.sum() + truth.sum())

    chosen = calibration.choose_threshold("f1", probability, truth)
    assert f1(chosen) == max(f1(threshold) for threshold in probability)


def test_the_f1_threshold_includes_the_case_that_it_was_chosen_by():
    """Rounding the threshold up would leave out the rows at the threshold."""
    probability = np.array([0.12345678, 0.12345678, 0.01])

    assert calibration.choose_threshold("f1", probability, np.array([1, 1, 0])) <= 0.12345678


@pytest.mark.parametrize("how", ["f1", "rate"])
def test_the_threshold_of_rare_cases_does_not_round_to_zero(how):
    probability = np.array([1e-6] * 99 + [4e-5])

    assert calibration.choose_threshold(how, probability, np.array([0] * 99 + [1])) > 0


def test_log_odds_that_are_right_already_are_left_alone():
    random = np.random.default_rng(2)
    log_odds = random.normal(size=3000)
    truth = (random.random(3000) < 1 / (1 + np.exp(-log_odds))).astype(int)
    folds = np.arange(3000) // 1000
    drifting = truth.copy()
    drifting[folds == 0] = 1 - drifting[folds == 0]  # what helps one fold harms the others

    assert calibration.fit_scaling(log_odds, drifting, folds) == (1.0, 0.0)


def test_log_odds_that_are_too_bold_everywhere_are_scaled_down():
    random = np.random.default_rng(2)
    log_odds = random.normal(size=3000)
    truth = (random.random(3000) < 1 / (1 + np.exp(-log_odds))).astype(int)
    slope, intercept = calibration.fit_scaling(3 * log_odds + 1, truth, np.arange(3000) % 3)

    assert slope == pytest.approx(1 / 3, abs=0.05)
    assert intercept == pytest.approx(-1 / 3, abs=0.1)
