"""Two sides are compared key by key, and a change is judged by what its metrics lose."""

from dataclasses import replace

import pandas as pd
import pytest

from pipeline.diff import compare, gate_settings
from pipeline.diff.compare import ChangedValue, Interval, Score, Snapshot

JUDGED_BY = gate_settings.Diff(
    tolerances={"roc_auc": 0.003, "brier": 0.001}, slice_tolerances={"roc_auc": 0.01, "brier": 0.005}
)
SCORES = {"roc_auc": Interval(0.75, 0.7, 0.8), "brier": Interval(0.14, 0.13, 0.15), "f1": Interval(0.5)}
CURVE = pd.DataFrame({"recall": [0.0, 1.0], "precision": [1.0, 0.2]})


def slices(*rows):
    return pd.DataFrame(rows, columns=["by", "slice", "rows", "metric", "value", "low", "high"])


BASE = Snapshot(
    params={"model": {"name": "hgb", "max_iter": 400}, "data": {"slices": ["month"], "range": [0, None]}},
    gate={"diff": {"tolerances": {"roc_auc": 0.003}}},
    hashes={"data/raw": "aaa", "data/model": "bbb"},
    rows={"train": 100, "test": 50},
    metrics=SCORES,
    validation={"roc_auc": Interval(0.8)},
    slices=slices(("month", "01", 30, "roc_auc", 0.7, 0.6, 0.8), ("month", "02", 20, "roc_auc", 0.6, 0.5, 0.7)),
    curves={"precision_recall": CURVE},
)


def head(**metrics):
    """The base with other values of some metrics; None takes one away."""
    found = {**SCORES, **{name: None if value is None else Interval(value) for name, value in metrics.items()}}
    return replace(BASE, metrics={name: score for name, score in found.items() if score})


def verdicts(change):
    return {score.name: score.verdict for score in change.metrics}


def test_nothing_changed_between_two_equal_sides():
    change = compare.compare(BASE, replace(BASE), JUDGED_BY)

    assert change.is_empty
    assert change.failed == []
    compare.refuse_failure(change)


@pytest.mark.parametrize(
    "other",
    [
        {"params": {}},
        {"gate": {}},
        {"hashes": {}},
        {"rows": {"train": 99, "test": 50}},
        {"metrics": {**SCORES, "recall": Interval(0.5)}},
        {"validation": {"roc_auc": Interval(0.7)}},
        {"slices": slices()},
        {"curves": {}},
        {"curves": {"precision_recall": CURVE.assign(precision=0.5)}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_each_part_that_differs_is_a_change(other):
    assert not compare.compare(BASE, replace(BASE, **other), JUDGED_BY).is_empty


def test_a_metric_is_judged_by_its_tolerance_and_by_which_way_is_better():
    worse = compare.compare(BASE, head(roc_auc=0.745, brier=0.13, f1=0.1), JUDGED_BY)
    better = compare.compare(BASE, head(roc_auc=0.76, brier=0.1405), JUDGED_BY)

    assert verdicts(worse) == {"roc_auc": "worse", "brier": "better", "f1": "not judged"}
    assert [score.name for score in worse.failed] == ["roc_auc"]
    assert verdicts(better) == {"roc_auc": "better", "brier": "within tolerance", "f1": "same"}
    assert better.failed == []


@pytest.mark.parametrize(("value", "fails"), [(0.747, False), (0.7469, True), (0.753, False)])
def test_a_loss_of_the_whole_tolerance_is_tolerated_and_no_more(value, fails):
    assert bool(compare.compare(BASE, head(roc_auc=value), JUDGED_BY).failed) is fails


def test_a_higher_error_is_worse():
    change = compare.compare(BASE, head(brier=0.1411), JUDGED_BY)

    assert verdicts(change)["brier"] == "worse"
    assert change.failed[0].reason == "is 0.1411, 0.00110 worse than 0.1400 (0.001 tolerated)"


def test_a_metric_that_is_gone_fails_by_name_whether_it_has_a_tolerance_or_not():
    change = compare.compare(BASE, head(roc_auc=None, f1=None), JUDGED_BY)

    assert {score.name: score.reason for score in change.failed} == {
        "roc_auc": "was 0.7500 and is not there",
        "f1": "was 0.5000 and is not there",
    }
    with pytest.raises(
        compare.ChangeFails, match=r"roc_auc was .*; f1 was 0\.5000 and is not there\. Correct the change, or"
    ):
        compare.refuse_failure(change)


def test_a_metric_that_became_undefined_fails_and_one_that_always_was_does_not():
    undefined = replace(BASE, metrics={**SCORES, "brier": Interval(None), "f1": Interval(None)})

    assert verdicts(compare.compare(BASE, undefined, JUDGED_BY)) == {"roc_auc": "same", "brier": "gone", "f1": "gone"}
    assert verdicts(compare.compare(undefined, undefined, JUDGED_BY)) == {"roc_auc": "same", "brier": "gone", "f1": "same"}
    assert verdicts(compare.compare(undefined, BASE, JUDGED_BY)) == {"roc_auc": "same", "brier": "new", "f1": "new"}


def test_a_metric_with_a_tolerance_has_to_be_there_even_where_the_base_had_none():
    empty = replace(BASE, metrics={})

    assert {score.name for score in compare.compare(empty, empty, JUDGED_BY).failed} == {"roc_auc", "brier"}
    assert compare.compare(empty, empty, JUDGED_BY).failed[0].reason == (
        "is not there; conf/gate.yaml has a tolerance for it"
    )
    assert verdicts(compare.compare(empty, BASE, JUDGED_BY)) == {"roc_auc": "new", "brier": "new", "f1": "new"}


def test_the_validation_period_fails_a_change_only_by_a_metric_that_is_gone():
    worse = compare.compare(BASE, replace(BASE, validation={"roc_auc": Interval(0.1)}), JUDGED_BY)
    gone = compare.compare(BASE, replace(BASE, validation={}), JUDGED_BY)

    assert worse.failed == []
    assert [score.name for score in gone.failed] == ["validation.roc_auc"]


def test_settings_are_named_by_their_full_key_with_both_values():
    other = {"model": {"name": "hgb", "max_iter": 40, "deep": True}, "data": {"slices": ["month"], "range": [0, 5]}}

    assert compare.differences(BASE.params, other) == [
        ChangedValue("model.max_iter", "400", "40"),
        ChangedValue("model.deep", None, "true"),
        ChangedValue("data.range[1]", "null", "5"),
    ]
    assert compare.differences({}, {"a": {}}) == [ChangedValue("a", None, "{}")]
    assert compare.differences({"a": 1}, {}) == [ChangedValue("a", "1", None)]


def test_row_counts_are_compared_where_both_sides_know_them():
    fewer = replace(BASE, rows={"train": 90, "test": 50})

    assert compare.compare(BASE, fewer, JUDGED_BY).rows == [ChangedValue("train", "100", "90")]
    assert compare.compare(replace(BASE, rows=None), fewer, JUDGED_BY).rows == []


def test_slices_that_moved_beyond_their_tolerance_come_with_the_most_tolerances_first():
    before = slices(
        *(("month", name, 9, metric, 0.5, None, None) for name in "abc" for metric in ("roc_auc", "brier", "f1"))
    )
    moves = {("a", "roc_auc"): 0.02, ("b", "roc_auc"): -0.04, ("c", "brier"): 0.015, ("a", "brier"): 0.005, ("b", "f1"): 0.4}
    after = before.assign(value=[0.5 + moves.get(key, 0) for key in zip(before["slice"], before["metric"], strict=True)])

    found = compare.compare(replace(BASE, slices=before), replace(BASE, slices=after), JUDGED_BY).slices

    assert [(score.slice, score.name, score.change) for score in found.moved] == [
        ("month b", "roc_auc", -0.04),
        ("month c", "brier", 0.015),
        ("month a", "roc_auc", 0.02),
    ]
    assert (found.compared, found.gone, found.new) == (3, 0, 0)


def test_slices_that_only_one_side_has_are_counted():
    other = slices(("month", "02", 20, "roc_auc", 0.6, 0.5, 0.7), ("month", "03", 5, "roc_auc", None, None, None))

    found = compare.compare(BASE, replace(BASE, slices=other), JUDGED_BY).slices
    lost = compare.compare(BASE, replace(BASE, slices=slices()), JUDGED_BY)

    assert (found.moved, found.compared, found.gone, found.new) == ([], 1, 1, 1)
    assert (lost.slices.gone, lost.failed) == (2, [])


def test_a_slice_that_lost_its_score_moved_most_of_all_and_one_that_never_had_it_did_not():
    before = slices(("month", "a", 9, "roc_auc", 0.5, 0.4, 0.6), ("month", "b", 9, "roc_auc", None, None, None))
    after = before.assign(value=None, low=None, high=None)

    (moved,) = compare.compare(replace(BASE, slices=before), replace(BASE, slices=after), JUDGED_BY).slices.moved

    assert moved == Score("roc_auc", Interval(0.5, 0.4, 0.6), Interval(None), 0.01, "month a", 9)
