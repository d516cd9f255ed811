"""Scores equal scikit-learn's, weighted or not, through ties; resamples draw whole groups; intervals are their quantiles."""

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


@pytest.fixture(params=["distinct", "tied", "one value"])
def cases(request):
    """Truth and probability of 500 rows."""
    random = np.random.default_rng(11)
    probability = random.uniform(0.01, 0.99, 500)
    probability = {"distinct": probability, "tied": probability.round(1) * 0.9 + 0.05, "one value": np.full(500, 0.4)}
    chosen = probability[request.param]
    return (random.random(500) < chosen).astype(int), chosen


@pytest.fixture(params=["unweighted", "counts"])
def weights(request):
    return None if request.param == "unweighted" else np.random.default_rng(3).integers(0, 4, 500).astype(float)


@pytest.mark.parametrize("metric", REFERENCES)
def test_a_score_is_that_of_scikit_learn(metric, cases, weights):
    truth, probability = cases
    result = metrics.scores(RankedScores.from_scores(truth, probability, 0.4, 15), weights)[metric]

    assert result == pytest.approx(REFERENCES[metric](truth, probability, probability >= 0.4, weights), **EXACT)


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


def test_a_resample_gives_every_row_of_a_group_the_same_count():
    groups = np.array([0, 0, 1, 1, 1, 2])
    for weights in metrics.bootstrap_weights(groups, 50, seed=1):
        counts = [set(weights[groups == group]) for group in range(3)]
        assert all(len(count) == 1 for count in counts)
        assert sum(count.pop() for count in counts) == 3


def test_resamples_differ_and_a_seed_repeats_them():
    groups = np.arange(20)
    first, again, other = ([w.tolist() for w in metrics.bootstrap_weights(groups, 5, seed)] for seed in (1, 1, 2))

    assert first == again
    assert first != other
    assert first[0] != first[1]


def test_an_interval_is_made_of_the_quantiles_of_the_resamples(cases):
    truth, probability = cases
    ranking, groups = RankedScores.from_scores(truth, probability, 0.4, 1), np.arange(500) // 25
    table = [metrics.scores(ranking, weights) for weights in metrics.bootstrap_weights(groups, 40, seed=6)]
    result = metrics.scores_with_intervals(ranking, groups, 40, 0.8, seed=6)

    for metric in METRICS:
        low, high = np.quantile([row[metric] for row in table], [0.1, 0.9])
        whole = metrics.scores(ranking)[metric]
        assert result[metric] == {"value": round(whole, 6), "low": round(low, 6), "high": round(high, 6)}


def test_resampling_groups_gives_a_wider_interval_where_rows_of_a_group_are_alike():
    random = np.random.default_rng(1)
    truth = np.repeat(random.integers(0, 2, 40), 50)
    probability = np.clip(0.4 + 0.2 * truth + random.normal(0, 0.2, 2000), 0, 1)
    ranking = RankedScores.from_scores(truth, probability, 0.5, 10)

    def width(groups):
        brier = metrics.scores_with_intervals(ranking, groups, 200, 0.9, seed=2)["log_loss"]
        return brier["high"] - brier["low"]

    assert width(np.arange(2000) // 50) > width(np.arange(2000)) * 1.05


def test_an_undefined_score_has_no_value_and_no_interval():
    result = metrics.scores_with_intervals(
        RankedScores.from_scores([1, 1], [0.2, 0.1], 0.5, 1), np.arange(2), 20, 0.9, seed=1
    )

    assert result["roc_auc"] == {"value": None, "low": None, "high": None}


def test_resamples_without_a_class_are_left_out_of_the_interval():
    result = metrics.scores_with_intervals(
        RankedScores.from_scores([1, 0], [0.2, 0.1], 0.5, 1), np.arange(2), 50, 0.9, seed=1
    )

    assert result["roc_auc"] == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_progress_is_reported_after_each_resample(cases):
    calls = []
    metrics.scores_with_intervals(
        RankedScores.from_scores(*cases, 0.4, 5), np.arange(500), 20, 0.9, 1, lambda: calls.append(1)
    )

    assert len(calls) == 20


def test_the_roc_curve_is_that_of_scikit_learn(cases):
    false, true, _ = sklearn.metrics.roc_curve(*cases, drop_intermediate=False)
    result = metrics.roc_curve(RankedScores.from_scores(*cases, 0.4, 5))
    inside = ~np.isin(result["false_positive_rate"], false.round(4))
    expected = np.interp(np.linspace(0, 1, metrics.CURVE_POINTS), false, true).round(4)

    assert len(result) == metrics.CURVE_POINTS
    assert result["true_positive_rate"][inside].tolist() == pytest.approx(expected[inside].tolist(), abs=1.01e-4)


def test_precision_at_a_recall_is_the_best_that_still_reaches_it(cases):
    precision, recall, _ = sklearn.metrics.precision_recall_curve(*cases)
    result = metrics.precision_recall_curve(RankedScores.from_scores(*cases, 0.4, 5))
    grid = np.linspace(0, 1, metrics.CURVE_POINTS)[1:]

    assert result["recall"].tolist() == grid.round(4).tolist()
    assert result["precision"].tolist() == [precision[recall >= expected - 1e-9].max().round(4) for expected in grid]


def test_a_calibration_bin_holds_its_rows_their_mean_and_their_share():
    result = metrics.calibration_table(RankedScores.from_scores([0, 1, 1, 1, 0], [0.1, 0.2, 0.6, 0.8, 0.3], 0.5, 2))

    assert result.to_dict("list") == {"rows": [3, 2], "predicted": [0.2, 0.7], "observed": [0.3333, 1.0]}


def test_the_calibration_table_of_few_rows_has_a_bin_for_each():
    result = metrics.calibration_table(RankedScores.from_scores([0, 1], [0.1, 0.2], 0.5, 15))

    assert result["rows"].tolist() == [1, 1]
