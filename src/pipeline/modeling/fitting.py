"""Fits a model on the training rows, and its calibration and threshold on out-of-fold predictions (cross-fitting)."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from pipeline.config.settings import LIGHTGBM, Columns, Model, RandomSplit, Split, Train
from pipeline.data.model_inputs import epoch_seconds
from pipeline.data.schema_json import Table
from pipeline.evaluation import metrics
from pipeline.modeling import calibration, estimator
from pipeline.modeling.calibration import CalibratedModel
from pipeline.modeling.parts import Parts
from pipeline.support.errors import ParamsInvalid, PeriodEmpty, first_line

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


class Learner(Protocol):
    """What fits the estimator, once without each fold and once with all rows (``without`` is None then)."""

    def empty_columns(self, without: int | None) -> list[str]:
        """The columns that it ignores, because these rows have no value in them."""
        ...

    def fit(self, without: int | None) -> Pipeline:
        """The estimator, fitted to the rows of all folds but this one."""
        ...


@dataclass(frozen=True)
class InMemory:
    """A learner that holds all rows, as scikit-learn wants them."""

    model: Model
    packed: pd.DataFrame
    truth: npt.NDArray[np.int8]
    folds: Folds
    columns: Columns
    seed: int

    def empty_columns(self, without: int | None) -> list[str]:
        """The numbers and datetimes without a single value in these rows."""
        return estimator.empty_columns(self._select(self.packed, without))

    def fit(self, without: int | None) -> Pipeline:
        """``estimator.fit`` on these rows."""
        rows, truth = self._select(self.packed, without), self._select(self.truth, without)
        return estimator.fit(self.model, self.columns, rows, truth, self.seed)

    def _select(self, values: Any, without: int | None) -> Any:
        return values if without is None else values[self.folds != without]


def create_learner(
    model: Model, parts: Parts, truth: npt.NDArray[np.int8], folds: Folds, columns: Columns, seed: int
) -> Learner:
    """The learner of a model. All but LightGBM's hold the rows of all parts.

    Raises ParamsInvalid where LightGBM lacks a library of the system.
    """
    if model.target != LIGHTGBM:
        packed = pd.concat([packed for _, packed in parts]) if len(parts.sizes) > 1 else parts.load(0)
        return InMemory(model, packed, truth, folds, columns, seed)
    try:
        from pipeline.modeling.lightgbm_training import BoostingLearner  # noqa: PLC0415 (it wants OpenMP from the system)
    except OSError as error:
        raise ParamsInvalid(
            f"The model {model.name} needs LightGBM, which needs OpenMP from the system: {first_line(error)}. Install it "
            "(Debian: apt install libgomp1; macOS: brew install libomp), or choose another model in conf/model."
        ) from error
    return BoostingLearner(model, parts, truth, folds, columns, seed)


@threadpool_limits.wrap(limits=1, user_api="blas")  # type: ignore[untyped-decorator]
def fit(
    parts: Parts,
    truth: npt.NDArray[np.int8],
    folds: Folds,
    columns: Columns,
    model: Model,
    settings: Train,
    step: Step,
) -> FittedModel:
    """Fits once without each fold for the calibration (Platt scaling, where it helps) and the threshold, then on all rows.

    ``truth`` [n] is 0 or 1, ``folds`` [n] numbers the fold of each row of the ``parts``. Linear algebra has one thread:
    with more of them its sums, and so linear models, differ in their last digits, and take longer.
    """
    learner = create_learner(model, parts, truth, folds, columns, settings.seed)
    log_odds = np.empty(len(truth))
    for fold in np.unique(folds).tolist():
        with step(f"fit {model.name} without fold {fold + 1} of {folds.max() + 1}{_without_empty(learner, fold)}"):
            fold_model = learner.fit(without=fold)
            _score_fold(parts, folds, fold, fold_model, log_odds)
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
    with step(f"fit {model.name} on all {len(truth):,} rows{_without_empty(learner, None)}"):
        final = learner.fit(without=None)
    return FittedModel(CalibratedModel(final, slope, intercept), threshold, validation, probability)


def _score_fold(parts: Parts, folds: Folds, fold: int, fold_model: Pipeline, log_odds: npt.NDArray[np.float64]) -> None:
    """Writes the log-odds of the rows of a fold into ``log_odds`` [n]."""
    for number, span in enumerate(parts.spans()):
        inside = folds[span] == fold
        if inside.any():
            log_odds[span][inside] = estimator.log_odds(fold_model, parts.load(number)[inside])


def _without_empty(learner: Learner, without: int | None) -> str:
    """The end of a step's name: the columns that the model ignores, because these rows have no value in them."""
    empty = learner.empty_columns(without)
    return f", ignoring {', '.join(empty)}, empty there" if empty else ""


def assign_folds(rows: Table, target: str, split: Split, settings: Train) -> Folds:
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
