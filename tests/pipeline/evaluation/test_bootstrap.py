"""Resamples draw whole groups, intervals are their quantiles, and sums of groups give those that rows give."""

import numpy as np
import pytest

from pipeline.evaluation import bootstrap, metrics
from pipeline.evaluation.metrics import METRICS, RankedScores
from pipeline.evaluation.ranked_rows import RankedRows

FROM_BINS = ("roc_auc", "average_precision")
ALWAYS_BINS = 0


def days(rows=20_000, groups=60, seed=4):
    """Rows of which those of a day are alike: truth, probability, day."""
    random = np.random.default_rng(seed)
    day = np.sort(random.integers(0, groups, rows))
    logit = random.normal(-1.2, 0.5, groups)[day] + random.normal(0, 1, rows)
    probability = 1 / (1 + np.exp(-logit))
    shift = random.normal(0, 0.3, groups)[day]
    return random.random(rows) < 1 / (1 + np.exp(-logit - shift)), probability, day


def resample(truth, probability, groups, exact_rows=bootstrap.EXACT_ROWS, count=40, **more):
    return bootstrap.resample(RankedRows.from_rows(truth, probability, groups), 0.4, 15, count, 6, exact_rows, **more)


def test_a_resample_gives_every_row_of_a_group_the_same_count():
    groups = np.array([0, 0, 1, 1, 1, 2])
    for weights in bootstrap.bootstrap_weights(groups, 50, seed=1):
        counts = [set(weights[groups == group]) for group in range(3)]
        assert all(len(count) == 1 for count in counts)
        assert sum(count.pop() for count in counts) == 3


def test_resamples_differ_and_a_seed_repeats_them():
    groups = np.arange(20)
    first, again, other = ([w.tolist() for w in bootstrap.bootstrap_weights(groups, 5, seed)] for seed in (1, 1, 2))

    assert first == again
    assert first != other
    assert first[0] != first[1]


def test_resampled_rows_are_scored_with_their_weights_in_any_order_of_the_rows():
    truth, probability, day = days(500)
    values, resampled = resample(truth, probability, day)
    ranking = RankedScores.from_scores(truth, probability, 0.4, 15)
    expected = [[*metrics.scores(ranking, w).values()] for w in bootstrap.bootstrap_weights(day, 40, seed=6)]

    assert values.tolist() == [*metrics.scores(ranking).values()]
    assert resampled.tolist() == expected


def test_an_interval_is_made_of_the_quantiles_of_the_resamples():
    values, resampled = resample(*days(500))
    result = bootstrap.intervals(values, resampled, 0.8)

    for metric, value, column in zip(METRICS, values, resampled.T, strict=True):
        low, high = np.quantile(column, [0.1, 0.9])
        assert result[metric] == {"value": round(value, 6), "low": round(low, 6), "high": round(high, 6)}


@pytest.mark.parametrize("exact_rows", [bootstrap.EXACT_ROWS, ALWAYS_BINS])
def test_resampling_groups_gives_a_wider_interval_where_rows_of_a_group_are_alike(exact_rows):
    random = np.random.default_rng(1)
    truth = np.repeat(random.integers(0, 2, 40), 50)
    probability = np.clip(0.4 + 0.2 * truth + random.normal(0, 0.2, 2000), 0, 1)

    def width(groups):
        loss = bootstrap.intervals(*resample(truth, probability, groups, exact_rows, 200), 0.9)["log_loss"]
        return loss["high"] - loss["low"]

    assert width(np.arange(2000) // 50) > width(np.arange(2000)) * 1.05


@pytest.mark.parametrize("exact_rows", [bootstrap.EXACT_ROWS, ALWAYS_BINS])
def test_an_undefined_score_has_no_value_and_no_interval(exact_rows):
    result = bootstrap.intervals(*resample([1, 1], [0.2, 0.1], [0, 1], exact_rows), 0.9)

    assert result["roc_auc"] == {"value": None, "low": None, "high": None}
    assert result["brier"]["value"] == 0.725


@pytest.mark.parametrize("exact_rows", [bootstrap.EXACT_ROWS, ALWAYS_BINS])
def test_resamples_without_a_class_are_left_out_of_the_interval(exact_rows):
    result = bootstrap.intervals(*resample([1, 0], [0.2, 0.1], [0, 1], exact_rows), 0.9)

    assert result["roc_auc"] == {"value": 1.0, "low": 1.0, "high": 1.0}


@pytest.mark.parametrize("exact_rows", [bootstrap.EXACT_ROWS, ALWAYS_BINS])
def test_progress_is_reported_after_each_resample(exact_rows):
    calls = []
    resample(*days(500), exact_rows, advance=lambda: calls.append(1))

    assert len(calls) == 40


@pytest.mark.parametrize("decimals", [9, 2, 1, 0])
def test_sums_of_groups_give_the_values_that_rows_give_through_ties(decimals):
    truth, probability, day = days()
    exact, sums = (resample(truth, probability.round(decimals), day, limit)[0] for limit in (30_000, ALWAYS_BINS))

    assert sums == pytest.approx(exact, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("decimals", [9, 2, 1])
def test_resamples_of_sums_are_those_of_rows_apart_from_what_bins_blur(decimals):
    truth, probability, day = days()
    exact, sums = (resample(truth, probability.round(decimals), day, limit)[1] for limit in (30_000, ALWAYS_BINS))

    for metric, left, right in zip(METRICS, exact.T, sums.T, strict=True):
        tolerance = 0.01 * np.ptp(left) if metric in FROM_BINS else 1e-12
        assert np.abs(left - right).max() <= tolerance, metric


def test_the_ends_of_intervals_from_bins_are_off_by_less_than_a_hundredth_of_their_width():
    truth, probability, day = days()
    exact, sums = (
        bootstrap.intervals(*resample(truth, probability, day, limit, 200), 0.95) for limit in (30_000, ALWAYS_BINS)
    )

    for metric, interval in exact.items():
        width = interval["high"] - interval["low"]
        assert all(abs(sums[metric][end] - interval[end]) < 0.01 * width for end in ("low", "high")), metric


@pytest.mark.parametrize("seed", range(20))
def test_sums_of_a_few_tied_rows_equal_the_rows(seed):
    random = np.random.default_rng(seed)
    rows = int(random.integers(2, 40))
    truth, tenths = random.integers(0, 2, rows), random.integers(0, 7, rows)
    _, groups = np.unique(random.integers(0, 4, rows), return_inverse=True)
    exact, sums = (resample(truth, tenths / 10, groups, limit, 5) for limit in (100, ALWAYS_BINS))

    for left, right in zip(exact, sums, strict=True):
        np.testing.assert_allclose(right, left, rtol=1e-9, atol=1e-12)


def test_blocks_of_rows_and_of_groups_make_no_difference(monkeypatch):
    whole = resample(*days(3000), ALWAYS_BINS)
    monkeypatch.setattr("pipeline.evaluation.group_sums.BLOCK_ROWS", 701)
    monkeypatch.setattr("pipeline.evaluation.group_sums.BLOCK_GROUPS", 7)
    monkeypatch.setattr(bootstrap, "RESAMPLES_AT_ONCE", 9)
    cut = resample(*days(3000), ALWAYS_BINS)

    for left, right in zip(whole, cut, strict=True):
        np.testing.assert_allclose(right, left, rtol=1e-12)


def test_many_groups_are_drawn_in_bundles_of_about_the_same_size(monkeypatch):
    monkeypatch.setattr(bootstrap, "MOST_GROUPS", 100)
    groups = np.arange(1050).repeat(2)
    bundled = bootstrap.bundle_groups(RankedRows.from_rows(groups * 0, groups * 0.0, groups), 1).groups

    assert set(np.bincount(bundled)) == {20, 22}
    assert (bundled[::2] == bundled[1::2]).all()  # rows of one group stay together


def test_bundles_give_about_the_interval_of_single_rows(monkeypatch):
    monkeypatch.setattr(bootstrap, "MOST_GROUPS", 500)
    truth, probability, _ = days()
    single, bundles = (
        bootstrap.intervals(*resample(truth, probability, np.arange(len(truth)), limit, 200), 0.9)["brier"]
        for limit in (30_000, ALWAYS_BINS)
    )

    assert bundles["value"] == single["value"]
    assert bundles["high"] - bundles["low"] == pytest.approx(single["high"] - single["low"], rel=0.2)
