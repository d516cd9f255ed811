"""A model is calibrated on scores of rows that its fit had not seen, then fitted on all of them."""

import contextlib
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from conftest import COLUMNS, MODELS, TRAIN
from pipeline.config.settings import Model, RandomSplit, TimeSplit
from pipeline.data import model_inputs
from pipeline.evaluation import metrics
from pipeline.modeling import calibration, estimator, fitting
from pipeline.modeling.parts import Parts
from pipeline.support.errors import ParamsInvalid, PeriodEmpty, TableInvalid

RANDOM = RandomSplit("random", test_share=0.25, seed=1)
BY_TIME = TimeSplit("time", "moment", date(2014, 1, 1))


def fit(rows, model="hgb", settings=TRAIN, step=lambda _: contextlib.nullcontext()):
    folds = np.arange(len(rows)) % settings.folds
    model = MODELS[model] if isinstance(model, str) else model
    parts = Parts.held(model_inputs.pack(rows, COLUMNS))
    return fitting.fit(parts, rows["good"].to_numpy(), folds, COLUMNS, model, settings, step)


@pytest.fixture(scope="module")
def out_of_fold(rows):
    """The log-odds of each row by the model of the other folds, and the truth."""
    packed, truth, folds = model_inputs.pack(rows, COLUMNS), rows["good"].to_numpy(), np.arange(len(rows)) % TRAIN.folds
    log_odds = np.zeros(len(rows))
    for fold in range(TRAIN.folds):
        others = estimator.build(MODELS["hgb"], COLUMNS, int((folds != fold).sum()), TRAIN.seed).fit(
            packed[folds != fold], truth[folds != fold]
        )
        log_odds[folds == fold] = others.decision_function(packed[folds == fold])
    return log_odds, truth


def changed(name, **parameters):
    """A model of the tests with other parameters."""
    return replace(MODELS[name], parameters={**MODELS[name].parameters, **parameters})


def test_calibration_comes_from_out_of_fold_predictions(fitted, out_of_fold):
    fitted_model = fitted("hgb").model

    assert (fitted_model.slope, fitted_model.intercept) == calibration.fit_platt(*out_of_fold)


def test_threshold_and_validation_come_from_the_same_predictions(fitted, out_of_fold):
    log_odds, truth = out_of_fold
    probability = calibration.calibrate(log_odds, *calibration.fit_platt(log_odds, truth))
    fitted_model = fitted("hgb")

    assert fitted_model.out_of_fold.tolist() == probability.tolist()
    assert fitted_model.threshold == calibration.choose_threshold("f1", probability, truth)
    expected = metrics.scores(
        metrics.RankedScores.from_scores(truth, probability, fitted_model.threshold, fitting.VALIDATION_BINS)
    )
    assert fitted_model.validation == {metric: round(value, 6) for metric, value in expected.items()}


def test_the_model_itself_is_fitted_on_all_rows(fitted, rows):
    packed = model_inputs.pack(rows, COLUMNS)
    whole = estimator.build(MODELS["hgb"], COLUMNS, len(rows), TRAIN.seed).fit(packed, rows["good"].to_numpy())
    fitted_model = fitted("hgb").model

    expected = calibration.calibrate(whole.decision_function(packed), fitted_model.slope, fitted_model.intercept)
    assert fitted_model.probability(packed).tolist() == expected.tolist()


def test_linear_algebra_has_one_thread_because_its_sums_differ_with_more(rows):
    threads = set()

    def step(_):
        threads.update(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        return contextlib.nullcontext()

    with threadpool_limits(2, "blas"):
        fit(rows, "logistic", step=step)

    assert threads == {1}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("column", ["size", "moment"])
def test_a_fold_whose_training_rows_have_no_value_in_a_column_is_fitted_without_it_and_says_so(rows, model, column):
    steps = []

    def step(name):
        steps.append(name)
        return contextlib.nullcontext()

    in_the_first_fold = np.arange(len(rows)) % TRAIN.folds == 0
    fitted = fit(rows.assign(**{column: rows[column].where(in_the_first_fold)}), model, step=step)

    assert steps[0].endswith(f"without fold 1 of 3, ignoring {column}, empty there")
    assert not any("ignoring" in name for name in steps[1:])
    assert np.ptp(fitted.out_of_fold) > 0.1


def test_a_model_that_gives_rows_no_probability_is_refused_by_name(rows):
    columns, truth = {"weight": COLUMNS["weight"]}, rows["good"].to_numpy()
    packed, folds = model_inputs.pack(rows.assign(weight=1.0), columns), np.arange(len(rows)) % 3
    model = Model("naive_bayes", "sklearn.naive_bayes.GaussianNB", "one_hot", {})

    with pytest.raises(ParamsInvalid, match="naive_bayes should give each row a probability; it gives none to 300 of 300"):
        fitting.fit(Parts.held(packed), truth, folds, columns, model, TRAIN, lambda _: contextlib.nullcontext())


@pytest.mark.parametrize("model", MODELS)
def test_rows_without_any_value_are_refused(rows, model):
    columns = {"size": COLUMNS["size"], "moment": COLUMNS["moment"]}
    packed = model_inputs.pack(rows.iloc[:20], columns) * np.nan

    truth, folds = rows["good"].to_numpy()[:20], np.zeros(20, int)
    with pytest.raises(TableInvalid, match="in these 20 training rows all columns are empty"):
        fitting.create_learner(MODELS[model], Parts.held(packed), truth, folds, columns, 1).fit(without=None)


@pytest.mark.parametrize("model", MODELS)
def test_the_same_seed_gives_the_same_model(fitted, rows, model):
    packed = model_inputs.pack(rows, COLUMNS)

    assert fit(rows, model).model.probability(packed).tolist() == fitted(model).model.probability(packed).tolist()


@pytest.mark.parametrize(
    ("model", "setting", "value"),
    [
        ("hgb", "learning_rate", 0.2),
        ("hgb", "max_iter", 16),
        ("hgb", "max_leaf_nodes", 4),
        ("hgb", "min_samples_leaf", 15),
        ("hgb", "l2_regularization", 50.0),
        ("hgb", "max_features", 0.3),
        ("lightgbm", "learning_rate", 0.2),
        ("lightgbm", "num_iterations", 16),
        ("lightgbm", "num_leaves", 4),
        ("lightgbm", "min_data_in_leaf", 15),
        ("lightgbm", "lambda_l2", 50.0),
        ("lightgbm", "feature_fraction_bynode", 0.3),
        ("lightgbm", "max_bin", 15),
    ],
)
def test_every_setting_of_the_trees_changes_the_model(fitted, rows, model, setting, value):
    packed = model_inputs.pack(rows, COLUMNS)
    other = fit(rows, changed(model, **{setting: value}))

    assert other.model.probability(packed).tolist() != fitted(model).model.probability(packed).tolist()


def test_the_penalty_changes_the_logistic_model(fitted, rows):
    packed = model_inputs.pack(rows, COLUMNS)
    other = fit(rows, changed("logistic", C=0.001))

    assert other.model.probability(packed).tolist() != fitted("logistic").model.probability(packed).tolist()


def test_a_given_threshold_is_kept(rows):
    assert fit(rows, "logistic", settings=replace(TRAIN, threshold=0.4)).threshold == 0.4


def test_each_step_is_reported(rows):
    told = []

    def step(what):
        told.append(what)
        return contextlib.nullcontext()

    fit(rows, "logistic", replace(TRAIN, folds=2), step)
    assert told == [
        "fit logistic without fold 1 of 2",
        "fit logistic without fold 2 of 2",
        "calibrate on the out-of-fold predictions",
        "fit logistic on all 300 rows",
    ]


def table(days, good):
    return pd.DataFrame({"moment": pd.to_datetime("2013-01-01") + pd.to_timedelta(days, "D"), "good": good})


def test_folds_of_a_split_by_time_are_stretches_of_time_in_any_order_of_the_rows():
    fitted_model = fitting.assign_folds(
        table([8, 7, 6, 5, 4, 3, 2, 1, 0], [0, 1, 0, 1, 0, 1, 0, 1, 0]), "good", BY_TIME, TRAIN
    )

    assert fitted_model.tolist() == [2, 2, 2, 1, 1, 1, 0, 0, 0]


def test_the_rows_of_one_day_are_in_one_fold():
    days = [0, 0, 0, 1, 1, 1, 1, 1]
    fitted_model = fitting.assign_folds(table(days, [0, 1] * 4), "good", BY_TIME, replace(TRAIN, folds=2))

    assert pd.Series(fitted_model).groupby(days).nunique().tolist() == [1, 1]


def test_folds_of_a_random_split_have_the_same_rate_and_follow_the_seed():
    rows = table(range(60), [0, 0, 0, 1] * 15)
    fitted_model = fitting.assign_folds(rows, "good", RANDOM, TRAIN)

    assert rows["good"].groupby(fitted_model).sum().tolist() == [5, 5, 5]
    assert rows["good"].groupby(fitted_model).size().tolist() == [20, 20, 20]
    assert fitted_model.tolist() == fitting.assign_folds(rows, "good", RANDOM, TRAIN).tolist()
    assert fitted_model.tolist() != fitting.assign_folds(rows, "good", RANDOM, replace(TRAIN, seed=4)).tolist()


def test_a_fold_of_one_class_is_refused_by_number():
    rows = table(range(9), [0, 1, 0, 1, 1, 1, 0, 1, 0])

    with pytest.raises(
        PeriodEmpty, match=r"each of 3 folds of the training rows; fold 2 has 3 of 3 with it. Lower train.folds"
    ):
        fitting.assign_folds(rows, "good", BY_TIME, TRAIN)


@pytest.mark.parametrize("split", [RANDOM, BY_TIME], ids=["random", "time"])
@pytest.mark.parametrize("good", [[0] * 9 + [1], [1] * 8 + [0] * 2, [0] * 10, [0, 1]], ids=str)
def test_fewer_rows_of_a_class_than_folds_are_refused(split, good):
    with pytest.raises(PeriodEmpty, match=r"train\.folds"):
        fitting.assign_folds(table(range(len(good)), good), "good", split, TRAIN)
