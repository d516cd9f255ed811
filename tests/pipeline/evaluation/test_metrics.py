"""Scores equal scikit-learn's, weighted or not, through ties."""

import numpy as np
import pytest
import sklearn.metrics

from pipeline.evaluation import metrics
from pipeline.evaluation.metrics import METRICS, RankedScores

EXACT = {"rel": 1e-12, "abs": 1e-12}
REFERENCES = {
    "roc_auc": lambda y, p, _called, w: sklearn.metrics.roc_auc_score(y, p, sample_weight=w),
    "average_precision": lambda y, p, _called, w: sklearn.metrics.average_precision_score(y, p, sample_weight=w),
    "brier": lambda y, p, _called, w: sklearn.metrics.brier_score_loss(y, p, sample_weight=w),
    "log_loss": lambda y, p, _called, w: sklearn.metrics.log_loss(y, p, sample_weight=w),
    "precision": lambda y, _p, called, w: sklearn.metrics.precision_score(y, called, sample_weight=w),
    "recall": lambda y, _p, called, w: sklearn.metrics.recall_score(y, called, sample_weight=w),
    "f1": lambda y, _p, called, w: sklearn.metrics.f1_score(y, called, sample_weight=w),
}


@pytest.fixture(params=["unweighted", "counts"])
def weights(request):
    return None if request.param == "unweighted" else np.random.default_rng(3).integers(0, 4, 500).astype(float)


@pytest.mark.parametrize("metric", REFERENCES)
def test_a_score_is_that_of_scikit_learn(metric, cases, weights):
    truth, probability = cases
    result = metrics.scores(RankedScores.from_scores(truth, probability, 0.4, 15), weights)[metric]

    assert result == pytest.approx(REFERENCES[metric](truth, probability, probability >= 0.4, weights), **EXACT)


def test_the_roc_auc_alone_is_that_of_scikit_learn(cases):
    assert metrics.roc_auc(*cases) == pytest.approx(sklearn.metrics.roc_auc_score(*cases), **EXACT)


def test_the_roc_auc_alone_of_one_class_is_missing():
    assert np.isnan(metrics.roc_auc(np.ones(3), np.arange(3.0)))


@pytest.mark.parametrize("bins", [1, 7, 15, 500, 900])
def test_the_calibration_error_is_that_of_a_plain_loop(bins, cases, weights):
    truth, probability = cases
    w = np.ones(500) if weights is None else weights
    ranked = sorted(range(500), key=lambda row: -probability[row])
    expected = 0.0
    for number in range(bins):
        inside = ranked[number * 500 // bins : (number + 1) * 500 // bins]
        weight = sum(w[row] for row in inside)
        if weight:
            predicted = sum(w[row] * probability[row] for row in inside) / weight
            observed = sum(w[row] * truth[row] for row in inside) / weight
            expected += abs(predicted - observed) * weight / w.sum()

    result = metrics.scores(RankedScores.from_scores(truth, probability, 0.4, bins), weights)["calibration_error"]
    assert result == pytest.approx(expected, **EXACT)


def test_a_weight_of_two_is_the_row_twice(cases):
    truth, probability = cases
    weights = np.random.default_rng(8).integers(0, 4, 500)
    twice = np.repeat(np.arange(500), weights)
    weighted = metrics.scores(RankedScores.from_scores(truth, probability, 0.4, 1), weights.astype(float))

    assert weighted == pytest.approx(
        metrics.scores(RankedScores.from_scores(truth[twice], probability[twice], 0.4, 1)), **EXACT
    )


def test_every_metric_is_scored_in_the_order_of_the_list(cases):
    assert tuple(metrics.scores(RankedScores.from_scores(*cases, 0.4, 15))) == METRICS


def test_a_probability_at_the_threshold_is_called_positive():
    result = metrics.scores(RankedScores.from_scores([1, 0, 1], [0.5, 0.5, 0.4], 0.5, 1))

    assert (result["precision"], result["recall"]) == (0.5, 0.5)


def test_calling_nothing_positive_has_no_precision_and_no_f1():
    result = metrics.scores(RankedScores.from_scores([1, 0], [0.2, 0.1], 0.9, 1))

    assert (result["precision"], result["recall"], result["f1"]) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("label", [0, 1])
def test_the_auc_of_one_class_is_undefined(label):
    assert np.isnan(metrics.scores(RankedScores.from_scores([label, label], [0.2, 0.1], 0.5, 1))["roc_auc"])


def test_a_class_that_the_weights_remove_is_absent():
    ranking = RankedScores.from_scores([1, 0], [0.2, 0.1], 0.5, 1)

    assert np.isnan(metrics.scores(ranking, np.array([0.0, 1.0]))["roc_auc"])


def test_the_log_loss_of_a_certain_error_is_cut_off():
    result = metrics.scores(RankedScores.from_scores([0, 1], [1.0, 0.0], 0.5, 1))["log_loss"]

    assert result == pytest.approx(-np.log(1e-15), rel=1e-2)
