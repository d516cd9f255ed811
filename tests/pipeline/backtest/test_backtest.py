"""A backtest predicts each period by the model that `train` would have made before it, and by nothing that came later."""

import json
import shutil
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import distributed
import numpy as np
import pytest

import in_process
from conftest import COLUMNS
from pipeline.backtest import fold_scores, folds
from pipeline.backtest.folds import BacktestImpossible
from pipeline.compute import LocalEngine
from pipeline.compute.dask_engine import DaskEngine
from pipeline.config.params_file import load_params
from pipeline.config.parsing import dump_settings
from pipeline.config.paths import MODEL, TEST_TABLE, TRAIN_TABLE
from pipeline.config.settings import Dataset, RandomSplit, Target, TimeSplit
from pipeline.data import partitions, table_io
from pipeline.evaluation import metrics
from pipeline.modeling import artifact, predict
from pipeline.params import compose
from pipeline.support.errors import PeriodEmpty

DAYS = ["2012-03-01", "2012-03-02", "2012-03-03"]  # of the training table, from the fourth on
THINGS = """
name: things
source: {path: things.csv}
target: {name: good}
columns: {size: {kind: number}, weight: {kind: number}, colour: {kind: category}, moment: {kind: datetime}}
split: {by: time, column: moment, test_from: "2012-03-04"}
"""
AT_RANDOM = RandomSplit("random", test_share=0.25, seed=1)


def dataset(test_from):
    return Dataset("things", Target("good"), COLUMNS, TimeSplit("time", "moment", date.fromisoformat(test_from)))


DATA = dataset("2012-03-04")


@pytest.fixture(scope="module")
def examples(rows):
    """Rows in the order of their time."""
    return rows.dropna(subset=["moment"]).sort_values("moment", kind="stable", ignore_index=True)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch, examples):
    """A folder with settings and examples, in partitions that do not end with a day."""
    conf = shutil.copytree("conf", tmp_path / "conf")
    monkeypatch.chdir(tmp_path)
    (conf / "data/things.yaml").write_text(THINGS)
    for name, old, new in (("config", "data: flights", "data: things"), ("model/hgb", "max_iter: 400", "max_iter: 15")):
        path = conf / f"{name}.yaml"
        path.write_text(path.read_text().replace(old, new))
    compose.write(compose.compose(), Path("params.yaml"))
    write(examples)
    return tmp_path


def write(table, data=DATA):
    """Writes the examples as `preprocess` does."""
    is_test = table["moment"].dt.date >= data.split.test_from
    for folder, part in ((TRAIN_TABLE, table[~is_test]), (TEST_TABLE, table[is_test])):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for number, start in enumerate(range(0, len(part), 70)):
            table_io.write(part[start : start + 70], partitions.file(folder, f"{number:06d}"))
    Path("data/processed/dataset.json").write_text(dump_settings(data))
    Path("data/processed/counts.json").write_text("{}")


def backtest(*words):
    return in_process.run("backtest.__main__", *words, folder=Path.cwd())


def plan(initial):
    return folds.plan(DATA, [TRAIN_TABLE], "day", initial)


def scored(initial=5, engine=None):
    """The scores of each day but for the first ones: of the last day."""
    days = plan(initial)
    return list(
        (engine or LocalEngine()).map(
            partial(fold_scores.score, DATA, load_params(), days.read()), days.folds(), lambda: None
        )
    )


def test_each_period_from_the_fourth_on_is_scored_and_their_mean():
    done = backtest("--period", "day", "--json", "out/scores.json")
    content = json.loads(Path("out/scores.json").read_text())

    assert done.returncode == 0, done.stderr
    assert [row["period"] for row in content["periods"]] == DAYS
    assert [(row["period"], row["rows"], row["base_rate"]) for row in content["periods"]] == plan(3).samples()
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("│")] == [*DAYS, "mean"]
    assert content["mean"]["brier"] == np.mean([row["brier"] for row in content["periods"]])
    assert set(content["mean"]) == {"period", "trained_rows", "rows", "base_rate", "threshold", *metrics.METRICS}


@pytest.mark.parametrize(
    "overrides",
    [[], ["train.max_rows=130"], ["model=lightgbm", "model.num_iterations=15"], ["model=logistic", "train.threshold=rate"]],
    ids=" ".join,
)
def test_a_period_has_the_scores_of_the_pipeline_that_is_split_there(examples, overrides):
    compose.write(compose.compose(overrides=overrides), Path("params.yaml"))
    (last,) = scored()
    write(examples[examples["moment"] < "2012-03-04"], dataset(DAYS[-1]))
    in_process.run("stages.train", folder=Path.cwd())
    threshold = artifact.read_metadata(MODEL)["threshold"]
    period = table_io.read(TEST_TABLE)
    probability = predict.probability(MODEL, period, "test").astype(np.float32)
    bins = load_params().evaluate.calibration_bins
    expected = metrics.scores(metrics.RankedScores.from_scores(period["good"], probability, threshold, bins))

    assert {name: last[name] for name in expected} == {name: round(value, 6) for name, value in expected.items()}
    assert (last["threshold"], last["rows"]) == (threshold, len(period))
    assert last["trained_rows"] == min((examples["moment"] < DAYS[-1]).sum(), load_params().train.max_rows or 300)


def test_a_model_sees_no_row_of_its_period_or_later(examples):
    first, *_ = scored(3)
    later = examples["moment"] >= DAYS[0]
    write(examples.assign(good=examples["good"].where(~later, 1 - examples["good"])))
    reversed_labels, *_ = scored(3)

    assert reversed_labels["threshold"] == first["threshold"]
    assert reversed_labels["roc_auc"] == pytest.approx(1 - first["roc_auc"], abs=2e-6)


def test_workers_give_the_same_scores():
    options = {"processes": False, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with (
        distributed.LocalCluster(n_workers=2, **options) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        assert scored(3, DaskEngine(client, worker_seconds=9)) == scored(3)


def test_the_test_table_is_scored_only_where_it_is_asked_for(examples):
    periods = {
        folders: [str(period) for period in folds.plan(DATA, folders, "day", 3).periods]
        for folders in ((TRAIN_TABLE,), (TRAIN_TABLE, TEST_TABLE))
    }

    assert list(periods.values()) == [DAYS, [*DAYS, "2012-03-04"]]
    assert "2012-03-04" in backtest("--period", "day", "--initial", "6", "--test").stdout


def test_other_settings_are_shown_beside_the_scores_of_before():
    backtest("--period", "day", "--initial", "5", "--json", "before.json")
    before = json.loads(Path("before.json").read_text())["mean"]
    done = backtest(
        "--period", "day", "--initial", "5", "--against", "before.json", "--json", "after.json", "model=logistic"
    )
    after = json.loads(Path("after.json").read_text())["mean"]

    assert f"{after['brier']:.4f} ({after['brier'] - before['brier']:+.4f})" in done.stdout


def against(periods):
    """What a backtest of the last day says beside such scores, before it fits a model."""
    Path("before.json").write_text(json.dumps({"periods": periods}))
    return backtest("--period", "day", "--initial", "5", "--against", "before.json").stderr.splitlines()[-1]


def test_scores_of_other_rows_or_labels_are_refused(examples):
    earlier, day = plan(4).samples()
    write(examples.assign(good=1 - examples["good"]))
    (flipped,) = plan(5).samples()

    assert flipped.base_rate == pytest.approx(1 - day.base_rate, abs=2e-6)
    assert against([day._asdict()]) == (
        "error: before.json should hold the scores of the same rows and labels; where this backtest has "
        f"{day.rows} rows in 2012-03-03 with base rate {flipped.base_rate}, it has {day.rows} rows in 2012-03-03 with base "
        f"rate {day.base_rate}. Write it anew with the same period, initial and data."
    )
    assert f"it has {earlier.rows} rows in 2012-03-02 with base rate " in against([earlier._asdict(), day._asdict()])
    assert f"base rate {flipped.base_rate}, it has no period more. Write it anew" in against([])


def test_a_period_of_one_class_has_no_area_and_does_not_count_for_the_mean(examples):
    write(examples.assign(good=examples["good"].where(examples["moment"].dt.date.astype(str) != DAYS[1], 0)))
    done = backtest("--period", "day", "--json", "scores.json")
    content = json.loads(Path("scores.json").read_text())
    areas = [row["roc_auc"] for row in content["periods"]]

    assert areas[1] is None
    assert "undefined" in done.stdout
    assert content["mean"]["roc_auc"] == (areas[0] + areas[2]) / 2


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ["--initial=2"],
            "INITIAL=2 needs rows in more months than that; there are rows in 2 (in data/processed/train), the",
        ),
        (
            ["--period=day", "--initial=9", "--test"],
            "there are rows in 7 (in data/processed/train and data/processed/test), the last of",
        ),
        (
            ["+data.target.positive=1"],
            "train., evaluate. may differ from params.yaml; data.target.positive does too. Type",
        ),
        (["--initial=1", "--against=conf/config.yaml"], "error: conf/config.yaml should be a file that --json wrote; it is"),
        (
            ["--initial=1", "--against=no.json"],
            "a file that JSON wrote (--against and --json); there is no file no.json. Correct",
        ),
        (["data=table"], "only model., train., evaluate. may differ from params.yaml; data.name, "),
        (["model=nosuch"], "Could not find 'model/nosuch'"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(words, error):
    done = backtest(*words)

    assert done.returncode == 1
    assert error in done.stderr


def test_a_table_split_at_random_has_no_time_to_go_forward_in():
    with pytest.raises(
        BacktestImpossible, match=r"^A backtest goes forward in time, .*; things is split at random\. If its"
    ):
        folds.plan(replace(DATA, split=AT_RANDOM), [TRAIN_TABLE], "month", 3)


def test_too_few_rows_before_a_period_are_named_with_it(examples):
    write(examples.assign(good=(examples["moment"] >= "2012-03-03").astype("int8")))

    with pytest.raises(
        PeriodEmpty, match=r"^Before 2012-03-03 there are too few rows\. Calibration needs .* Or raise INITIAL"
    ):
        scored()


def test_examples_of_other_settings_are_refused():
    Path("data/processed/dataset.json").write_text(dump_settings(replace(dataset("2012-03-02"), name="others")))

    assert backtest().stderr.endswith(
        "error: data/processed/train should hold the examples that params.yaml declares; it was made with other values of "
        "data.name, data.split. Type `make repro`.\n"
    )


def test_without_examples_the_pipeline_is_named():
    shutil.rmtree("data/processed")

    assert backtest().stderr.endswith("data/processed/train should hold the examples; it is not there. Type `make repro`.\n")
