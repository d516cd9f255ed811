"""Fits a model on training rows; calibration and threshold come from the scores of models that had not seen the row."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import StratifiedKFold

from pipeline.config.settings import Columns, Model, RandomSplit, Split, Train
from pipeline.data.model_inputs import seconds
from pipeline.evaluation import metrics
from pipeline.modeling import calibration, estimator
from pipeline.modeling.calibration import CalibratedModel
from pipeline.support.errors import PeriodEmpty

Folds = npt.NDArray[np.intp]
Step = Callable[[str], AbstractContextManager[object]]
VALIDATION_BINS = 15
DAY = 86_400  # seconds


@dataclass(frozen=True)
class FittedModel:
    """A calibrated model, the threshold from which it says yes, and what came of the training rows that were unseen.

    ``unseen`` [n] is the calibrated probability of each by the model without its fold, ``validation`` their scores.
    """

    model: CalibratedModel
    threshold: float
    validation: dict[str, float]
    unseen: npt.NDArray[np.float64]


def fit(
    packed: pd.DataFrame,
    truth: npt.NDArray[np.int8],
    folds: Folds,
    columns: Columns,
    model: Model,
    settings: Train,
    step: Step,
) -> FittedModel:
    """Cross-fits by fold for calibration (Platt 1999, where it helps) and threshold, then fits on all rows.

    ``packed`` is a frame that ``inputs.frame`` made, ``truth`` [n] is 0 or 1, ``folds`` [n] numbers the fold of each row.
    """
    unseen = np.empty(len(truth))
    for fold in np.unique(folds):
        inside = folds == fold
        with step(f"fit {model.name} without fold {fold + 1} of {folds.max() + 1}"):
            trial = estimator.build(model, columns, int((~inside).sum()), settings.seed)
            trial.fit(packed[~inside], truth[~inside])
            unseen[inside] = trial.decision_function(packed[inside])
    with step("calibrate on the rows of the unseen folds"):
        slope, intercept = calibration.scaling(unseen, truth, folds)
        probability = calibration.probability(unseen, slope, intercept)
        threshold = calibration.threshold(settings.threshold, probability, truth)
        ranking = metrics.RankedScores.of(truth, probability, threshold, VALIDATION_BINS)
        validation = {metric: round(value, metrics.DECIMALS) for metric, value in metrics.scores(ranking).items()}
    with step(f"fit {model.name} on all {len(truth):,} rows"):
        whole = estimator.build(model, columns, len(truth), settings.seed).fit(packed, truth)
    return FittedModel(CalibratedModel(whole, slope, intercept), threshold, validation, probability)


def folds(rows: pd.DataFrame, target: str, split: Split, settings: Train) -> Folds:
    """The fold of each row: contiguous stretches of whole days of a split by time, so that no row's own day helps it.

    A random split has random folds.

    Raises PeriodEmpty where a fold, or what is left without it, lacks one of the two classes.
    """
    truth = rows[target].to_numpy()
    numbers = np.empty(len(rows), dtype=np.intp)
    for number, (_, inside) in enumerate(_parts(rows, truth, split, settings)):
        numbers[inside] = number
    for number in range(settings.folds):
        inside = numbers == number
        if len(np.unique(truth[inside])) < 2 or len(np.unique(truth[~inside])) < 2:
            raise PeriodEmpty(
                f"Calibration needs rows with and without {target} in each of {settings.folds} folds of the training rows; "
                f"fold {number + 1} has {int(truth[inside].sum())} of {int(inside.sum())} with it. Lower train.folds, or "
                "bring more rows."
            )
    return numbers


def _parts(rows: pd.DataFrame, truth: npt.NDArray[np.int8], split: Split, settings: Train) -> Iterable[tuple[Folds, Folds]]:
    if len(rows) < 2 * settings.folds or np.bincount(truth, minlength=2).min() < settings.folds:
        raise PeriodEmpty(
            f"Calibration needs at least train.folds ({settings.folds}) rows of each class; the training rows have "
            f"{np.bincount(truth, minlength=2).tolist()}. Lower train.folds, or bring more rows."
        )
    if isinstance(split, RandomSplit):
        chance = StratifiedKFold(settings.folds, shuffle=True, random_state=settings.seed)
        return list(chance.split(np.zeros(len(rows)), truth))
    days = seconds(rows[split.column]) // DAY
    earlier, until = (np.searchsorted(np.sort(days), days, side=side) for side in ("left", "right"))
    numbers = ((earlier + until) / 2 * settings.folds / len(days)).astype(np.intp)
    return [(np.flatnonzero(numbers != number), np.flatnonzero(numbers == number)) for number in range(settings.folds)]
