"""Fits a model on training rows: calibration and threshold from rows held out of a first fit, then the fit on all rows."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import train_test_split

from pipeline import calibration, estimator, scoring
from pipeline.calibration import Calibrated
from pipeline.config import Columns, Model, RandomSplit, Split, Train
from pipeline.errors import PeriodEmpty

Rows = npt.NDArray[np.intp]
Step = Callable[[str], AbstractContextManager[object]]
VALIDATION_BINS = 15


@dataclass(frozen=True)
class Fitted:
    """A calibrated model, the threshold from which it says yes, and its scores on the held-out training rows."""

    model: Calibrated
    threshold: float
    validation: dict[str, float]


def fit(
    packed: pd.DataFrame,
    truth: npt.NDArray[np.int8],
    held_out: Rows,
    columns: Columns,
    model: Model,
    settings: Train,
    step: Step,
) -> Fitted:
    """Fits on the rows that are not ``held_out``, calibrates and sets the threshold on those that are, then fits on all.

    ``packed`` is a frame that ``inputs.frame`` made, ``truth`` [n] is 0 or 1.
    """
    kept = np.setdiff1d(np.arange(len(truth)), held_out)
    with step(f"fit {model.name} on {len(kept):,} rows"):
        trial = estimator.build(model, columns, settings.seed).fit(packed.iloc[kept], truth[kept])
    with step(f"calibrate on {len(held_out):,} rows"):
        log_odds = trial.decision_function(packed.iloc[held_out])
        slope, intercept = calibration.platt(log_odds, truth[held_out])
        probability = Calibrated(trial, slope, intercept).probability(packed.iloc[held_out])
        threshold = calibration.threshold(settings.threshold, probability, truth[held_out])
        ranking = scoring.Ranking.of(truth[held_out], probability, threshold, VALIDATION_BINS)
        validation = {metric: round(value, scoring.DECIMALS) for metric, value in scoring.scores(ranking).items()}
    with step(f"fit {model.name} on {len(truth):,} rows"):
        whole = estimator.build(model, columns, settings.seed).fit(packed, truth)
    return Fitted(Calibrated(whole, slope, intercept), threshold, validation)


def held_out(rows: pd.DataFrame, target: str, split: Split, settings: Train) -> Rows:
    """The training rows to calibrate on: the last ones of a split by time, random ones of a random split.

    Raises PeriodEmpty where they, or the rest, lack one of the two classes.
    """
    if isinstance(split, RandomSplit):
        truth = rows[target] if split.stratify else None
        _, chosen = train_test_split(
            np.arange(len(rows)), test_size=settings.validation_share, random_state=settings.seed, stratify=truth
        )
        chosen = np.sort(chosen)
    else:
        when = rows[split.column]
        chosen = np.flatnonzero(when > when.quantile(1 - settings.validation_share, interpolation="lower"))
    inside = rows[target].iloc[chosen]
    outside = rows[target].drop(inside.index)
    if inside.nunique() < 2 or outside.nunique() < 2:
        raise PeriodEmpty(
            f"Calibration needs rows with and without {target} on both sides of train.validation_share "
            f"({settings.validation_share}); it finds {len(inside)} and {len(outside)} rows. Change it in conf/config.yaml."
        )
    return np.asarray(chosen, np.intp)
