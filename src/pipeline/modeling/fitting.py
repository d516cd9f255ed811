"""Fits a model on the training rows, and its calibration and threshold on out-of-fold predictions (cross-fitting)."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import StratifiedKFold

from pipeline.config.settings import Columns, Model, RandomSplit, Split, Train
from pipeline.data.model_inputs import epoch_seconds
from pipeline.evaluation import metrics
from pipeline.modeling import calibration, estimator
from pipeline.modeling.calibration import CalibratedModel
from pipeline.support.errors import ParamsInvalid, PeriodEmpty

Folds = npt.NDArray[np.intp]
Step = Callable[[str], AbstractContextManager[object]]
VALIDATION_BINS = 15
DAY = 86_400  # seconds


@dataclass(frozen=True)
class FittedModel:
    """A calibrated model, the threshold from which it predicts positive, and its out-of-fold predictions.

    ``out_of_fold`` [n] is the calibrated probability of each training row by the model fitted without the row's fold,
    ``validation`` the metrics of these probabilities.
    """

    model: CalibratedModel
    threshold: float
    validation: dict[str, float]
    out_of_fold: npt.NDArray[np.float64]


def fit(
    packed: pd.DataFrame,
    truth: npt.NDArray[np.int8],
    folds: Folds,
    columns: Columns,
    model: Model,
    settings: Train,
    step: Step,
) -> FittedModel:
    """Fits once without each fold for the calibration (Platt scaling, where it helps) and the threshold, then on all rows.

    ``packed`` is a frame from ``model_inputs.pack``, ``truth`` [n] is 0 or 1, ``folds`` [n] numbers the fold of each row.
    """
    log_odds = np.empty(len(truth))
    for fold in np.unique(folds):
        inside = folds == fold
        with step(f"fit {model.name} without fold {fold + 1} of {folds.max() + 1}{_without_empty(packed[~inside])}"):
            fold_model = estimator.fit(model, columns, packed[~inside], truth[~inside], settings.seed)
            log_odds[inside] = estimator.log_odds(fold_model, packed[inside])
    if undefined := int(np.sum(~np.isfinite(log_odds))):
        raise ParamsInvalid(
            f"{model.name} should give each row a probability; it gives none to {undefined} of {len(truth)}, as where "
            "columns hold a single value. Leave such columns out of data.columns, or choose another model in conf/model."
        )
    with step("calibrate on the out-of-fold predictions"):
        slope, intercept = calibration.fit_scaling(log_odds, truth, folds)
        probability = calibration.calibrate(log_odds, slope, intercept)
        threshold = calibration.choose_threshold(settings.threshold, probability, truth)
        ranking = metrics.RankedScores.from_scores(truth, probability, threshold, VALIDATION_BINS)
        validation = {metric: round(value, metrics.DECIMALS) for metric, value in metrics.scores(ranking).items()}
    with step(f"fit {model.name} on all {len(truth):,} rows{_without_empty(packed)}"):
        final = estimator.fit(model, columns, packed, truth, settings.seed)
    return FittedModel(CalibratedModel(final, slope, intercept), threshold, validation, probability)


def _without_empty(packed: pd.DataFrame) -> str:
    """The end of a step's name: the columns that the model ignores, because these rows have no value in them."""
    empty = estimator.empty_columns(packed)
    return f", ignoring {', '.join(empty)}, empty there" if empty else ""


def assign_folds(rows: pd.DataFrame, target: str, split: Split, settings: Train) -> Folds:
    """The fold of each row, from 0: consecutive periods of whole days for a split by time, random for a random split.

    Whole days, because rows of one day are alike: a fold's model must not learn from the days that it predicts.

    Raises PeriodEmpty where a fold, or what is left without it, lacks one of the two classes.
    """
    truth, count = rows[target].to_numpy(), settings.folds
    class_sizes = np.bincount(truth, minlength=2)
    if class_sizes.min() < count:
        raise PeriodEmpty(
            f"Calibration needs at least train.folds ({count}) rows of each class; the training rows have "
            f"{class_sizes.tolist()}. Lower train.folds, or bring more rows."
        )
    folds = np.empty(len(rows), dtype=np.intp)
    if isinstance(split, RandomSplit):
        splitter = StratifiedKFold(count, shuffle=True, random_state=settings.seed)
        for fold, (_, inside) in enumerate(splitter.split(folds, truth)):
            folds[inside] = fold
    else:
        days = epoch_seconds(rows[split.column]) // DAY
        rows_before, rows_until = (np.searchsorted(np.sort(days), days, side=side) for side in ("left", "right"))
        folds[:] = (rows_before + rows_until) / 2 * count / len(days)
    for fold in range(count):
        inside = folds == fold
        if len(np.unique(truth[inside])) < 2 or len(np.unique(truth[~inside])) < 2:
            raise PeriodEmpty(
                f"Calibration needs rows with and without {target} in each of {count} folds of the training rows; fold "
                f"{fold + 1} has {int(truth[inside].sum())} of {int(inside.sum())} with it. Lower train.folds, or bring "
                "more rows."
            )
    return folds
