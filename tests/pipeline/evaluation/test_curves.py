"""The curves are those of scikit-learn, through ties; a curve without both classes has no points."""

import numpy as np
import pytest
import sklearn.metrics

from pipeline.evaluation import curves
from pipeline.evaluation.ranked_rows import RankedRows


def ranked(truth, probability):
    return RankedRows.from_rows(truth, probability, np.arange(len(truth)))


def test_the_roc_curve_is_that_of_scikit_learn(cases):
    false, true, _ = sklearn.metrics.roc_curve(*cases, drop_intermediate=False)
    result = curves.roc_curve(ranked(*cases))
    inside = ~np.isin(result["false_positive_rate"], false.round(4))
    expected = np.interp(np.linspace(0, 1, curves.CURVE_POINTS), false, true).round(4)

    assert len(result) == curves.CURVE_POINTS
    assert result["true_positive_rate"][inside].tolist() == pytest.approx(expected[inside].tolist(), abs=1.01e-4)


def test_precision_at_a_recall_is_the_best_that_still_reaches_it(cases):
    precision, recall, _ = sklearn.metrics.precision_recall_curve(*cases)
    result = curves.precision_recall_curve(ranked(*cases))
    grid = np.linspace(0, 1, curves.CURVE_POINTS)[1:]

    assert result["recall"].tolist() == grid.round(4).tolist()
    assert result["precision"].tolist() == [precision[recall >= expected - 1e-9].max().round(4) for expected in grid]


def test_a_calibration_bin_holds_its_rows_their_mean_and_their_share():
    result = curves.calibration_table(ranked([0, 1, 1, 1, 0], [0.1, 0.2, 0.6, 0.8, 0.3]), 2)

    assert result.to_dict("list") == {"rows": [3, 2], "predicted": [0.2, 0.7], "observed": [0.3333, 1.0]}


def test_the_calibration_table_of_few_rows_has_a_bin_for_each():
    result = curves.calibration_table(ranked([0, 1], [0.1, 0.2]), 15)

    assert result["rows"].tolist() == [1, 1]


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_no_roc_curve(label):
    assert curves.roc_curve(ranked([label, label], [0.1, 0.2]))["true_positive_rate"].isna().all()


@pytest.mark.parametrize(("label", "precision"), [(0, 0.0), (1, 1.0)])
def test_one_class_has_one_precision(label, precision):
    assert curves.precision_recall_curve(ranked([label, label], [0.1, 0.2]))["precision"].unique().tolist() == [precision]
