"""What is said of a model: scores with intervals, the same of each slice, and three curves."""

import numpy as np
import pandas as pd
import pytest

from pipeline.config.settings import Evaluate
from pipeline.evaluation import metrics, slice_scores
from pipeline.evaluation.slice_scores import Slicing

SETTINGS = Evaluate(1, 20, 0.9, calibration_bins=5, smallest_slice=30, importance_rows=100, reasons_rows=50)


@pytest.fixture
def test_rows():
    random = np.random.default_rng(9)
    rows = pd.DataFrame({"colour": random.choice(["red", "blue", "rare"], 200, p=[0.6, 0.35, 0.05])})
    rows["moment"] = pd.Timestamp("2013-01-01") + pd.to_timedelta(np.arange(200), "h")
    probability = random.random(200)
    return rows, (random.random(200) < probability).astype(float), probability


def evaluate(test_rows, slices=("colour",), resample_by=None, **more):
    return slice_scores.evaluate(*test_rows, 0.5, Slicing(slices, resample_by), SETTINGS, **more)


def test_the_whole_table_is_scored_with_the_intervals_of_its_rows(test_rows):
    _, truth, probability = test_rows
    ranking = metrics.RankedScores.from_scores(truth, probability, 0.5, 5)

    assert evaluate(test_rows).overall == metrics.scores_with_intervals(ranking, np.arange(200), 20, 0.9, 1)


def test_the_bootstrap_draws_whole_groups_where_asked_to(test_rows):
    rows, truth, probability = test_rows
    ranking = metrics.RankedScores.from_scores(truth, probability, 0.5, 5)
    days = (rows["moment"].dt.day - 1).to_numpy()

    assert evaluate(test_rows, resample_by="moment.date").overall == metrics.scores_with_intervals(ranking, days, 20, 0.9, 1)


def test_a_slice_is_scored_on_its_own_rows(test_rows):
    rows, truth, probability = test_rows
    red = (rows["colour"] == "red").to_numpy()
    result = evaluate(test_rows).slices.query("by == 'colour' and slice == 'red'").set_index("metric")
    expected = metrics.scores(metrics.RankedScores.from_scores(truth[red], probability[red], 0.5, 5))

    assert result["value"].to_dict() == {metric: round(value, 6) for metric, value in expected.items()}
    assert result["rows"].unique().tolist() == [red.sum()]
    assert result["rate"].unique().tolist() == [round(truth[red].mean(), 4)]


def test_small_slices_are_pooled_and_every_row_is_in_one(test_rows):
    result = evaluate(test_rows).slices.query("metric == 'brier'")

    assert result["slice"].tolist() == ["blue", "other", "red"]
    assert result["rows"].sum() == 200


def test_a_slice_of_one_class_has_a_brier_score_and_no_auc(test_rows):
    rows, truth, probability = test_rows
    truth = np.where(rows["colour"] == "red", 0.0, truth)
    result = evaluate((rows, truth, probability)).slices.query("slice == 'red'").set_index("metric")

    assert np.isnan(result.loc["roc_auc", "value"])
    assert result.loc["brier", "value"] > 0


def test_without_slices_there_is_an_empty_table_with_its_columns(test_rows):
    result = evaluate(test_rows, slices=()).slices

    assert [*result] == ["by", "slice", "rows", "rate", "metric", "value", "low", "high"]
    assert result.empty


def test_the_curves_are_those_of_the_whole_table(test_rows):
    _, truth, probability = test_rows
    ranking = metrics.RankedScores.from_scores(truth, probability, 0.5, 5)
    result = evaluate(test_rows)

    pd.testing.assert_frame_equal(result.roc, metrics.roc_curve(ranking))
    pd.testing.assert_frame_equal(result.precision_recall, metrics.precision_recall_curve(ranking))
    pd.testing.assert_frame_equal(result.calibration, metrics.calibration_table(ranking))


def test_progress_is_reported_after_each_resample_of_each_part(test_rows):
    calls = []
    evaluate(test_rows, advance=lambda: calls.append(1))

    parts = 1 + len(slice_scores.slice_rows(test_rows[0], Slicing(("colour",), None), SETTINGS))
    assert len(calls) == parts * 20 == 80


def test_the_same_rows_give_the_same_evaluation(test_rows):
    first, second = evaluate(test_rows), evaluate(test_rows)

    assert first.overall == second.overall
    pd.testing.assert_frame_equal(first.slices, second.slices)
