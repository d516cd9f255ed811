"""What is said of a model: scores with intervals, the same of each slice, and three curves."""

import numpy as np
import pandas as pd
import pytest

from pipeline.config.settings import Evaluate
from pipeline.evaluation import bootstrap, curves, metrics, slice_scores
from pipeline.evaluation.ranked_rows import RankedRows
from pipeline.evaluation.row_labels import RowLabels, Slicing

SETTINGS = Evaluate(1, 20, 0.9, calibration_bins=5, smallest_slice=30, importance_rows=100, reasons_rows=50)


@pytest.fixture
def test_rows():
    random = np.random.default_rng(9)
    rows = pd.DataFrame({"colour": random.choice(["red", "blue", "rare"], 200, p=[0.6, 0.35, 0.05])})
    rows["moment"] = pd.Timestamp("2013-01-01") + pd.to_timedelta(np.arange(200), "h")
    probability = random.random(200)
    return rows, (random.random(200) < probability).astype(float), probability


def labelled(test_rows, slices=("colour",), resample_by=None, cut=None):
    rows, truth, _ = test_rows
    table = rows.assign(truth=truth)
    tables = [table[start : start + cut] for start in range(0, len(table), cut)] if cut else [table]
    return RowLabels.from_tables(tables, "truth", Slicing(slices, resample_by, SETTINGS.smallest_slice))


def evaluate(test_rows, slices=("colour",), resample_by=None, cut=None, **more):
    labels = labelled(test_rows, slices, resample_by, cut)
    return slice_scores.evaluate(labels, test_rows[2], 0.5, SETTINGS, **more)


def resampled(test_rows, groups):
    _, truth, probability = test_rows
    values = bootstrap.resample(RankedRows.from_rows(truth, probability, groups), 0.5, 5, 20, 1)
    return bootstrap.intervals(*values, 0.9)


def test_the_whole_table_is_scored_with_the_intervals_of_its_rows(test_rows):
    assert evaluate(test_rows).overall == resampled(test_rows, np.arange(200))


def test_the_bootstrap_draws_whole_groups_where_asked_to(test_rows):
    days = (test_rows[0]["moment"].dt.day - 1).to_numpy()

    assert evaluate(test_rows, resample_by="moment.date").overall == resampled(test_rows, days)


@pytest.mark.parametrize("cut", [1, 33, 199])
@pytest.mark.parametrize("exact_rows", [200, 0])
def test_partitions_in_any_cut_give_the_same_numbers(test_rows, cut, exact_rows):
    more = {"slices": ("colour", "moment.hour"), "resample_by": "moment.date", "exact_rows": exact_rows}
    whole, parts = evaluate(test_rows, **more), evaluate(test_rows, cut=cut, **more)

    assert whole.overall == parts.overall
    for table in ("slices", "roc", "precision_recall", "calibration"):
        pd.testing.assert_frame_equal(getattr(whole, table), getattr(parts, table))


def test_a_large_table_has_the_same_values_and_says_where_its_intervals_come_from(test_rows):
    exact, binned = evaluate(test_rows), evaluate(test_rows, exact_rows=150)

    assert (exact.binned_above, binned.binned_above) == (None, 150)
    assert {name: interval["value"] for name, interval in binned.overall.items()} == {
        name: interval["value"] for name, interval in exact.overall.items()
    }
    pd.testing.assert_frame_equal(binned.slices, exact.slices)  # each of them is small


def test_so_many_groups_that_they_are_drawn_in_bundles_are_counted(test_rows, monkeypatch):
    monkeypatch.setattr(slice_scores, "MOST_GROUPS", 100)

    assert evaluate(test_rows, exact_rows=150).bundled_groups == 200
    assert evaluate(test_rows).bundled_groups is None
    assert evaluate(test_rows, resample_by="moment.date", exact_rows=150).bundled_groups is None


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
    ranked = RankedRows.from_rows(truth, probability, np.arange(200))
    result = evaluate(test_rows)

    pd.testing.assert_frame_equal(result.roc, curves.roc_curve(ranked))
    pd.testing.assert_frame_equal(result.precision_recall, curves.precision_recall_curve(ranked))
    pd.testing.assert_frame_equal(result.calibration, curves.calibration_table(ranked, 5))


def test_progress_is_reported_after_each_part(test_rows):
    calls = []
    evaluate(test_rows, advance=lambda: calls.append(1))

    assert len(calls) == labelled(test_rows).parts == 4


def test_the_same_rows_give_the_same_evaluation(test_rows):
    first, second = evaluate(test_rows), evaluate(test_rows)

    assert first.overall == second.overall
    pd.testing.assert_frame_equal(first.slices, second.slices)
