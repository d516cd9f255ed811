"""Makes log-odds into probabilities that keep their word, and chooses the threshold, from rows the model has not seen."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_recall_curve
from sklearn.pipeline import Pipeline

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CalibratedModel:
    """A fitted pipeline whose log-odds are scaled and shifted (Platt 1999) before the sigmoid."""

    estimator: Pipeline
    slope: float
    intercept: float

    def probability(self, packed: pd.DataFrame) -> Floats:
        """The probability of the positive label for each row of a frame that ``inputs.frame`` made."""
        return probability(self.estimator.decision_function(packed), self.slope, self.intercept)


def probability(log_odds: Floats, slope: float, intercept: float) -> Floats:
    """The sigmoid of scaled and shifted log-odds [n]."""
    return np.asarray(expit(slope * log_odds + intercept))


def platt(log_odds: Floats, truth: npt.NDArray[Any]) -> tuple[float, float]:
    """Slope and intercept of the logistic regression of the truth on held-out log-odds, to four decimals."""
    fitted = LogisticRegression(C=np.inf, tol=1e-8).fit(log_odds[:, None], truth)
    return round(float(fitted.coef_[0, 0]), 4), round(float(fitted.intercept_[0]), 4)


def scaling(log_odds: Floats, truth: npt.NDArray[Any], folds: npt.NDArray[np.intp]) -> tuple[float, float]:
    """Slope and intercept for unseen log-odds [n]: Platt's, if they help rows of folds that they were not fitted on.

    A model fitted to the log loss is often calibrated as it is; then these are 1 and 0, because fitted ones would carry the
    drift between the folds into what comes after them.
    """
    gain = 0.0
    for fold in np.unique(folds):
        inside = folds == fold
        fitted = platt(log_odds[~inside], truth[~inside])
        gain += _loss(log_odds[inside], truth[inside], 1.0, 0.0) - _loss(log_odds[inside], truth[inside], *fitted)
    return platt(log_odds, truth) if gain > 0 else (1.0, 0.0)


def _loss(log_odds: Floats, truth: npt.NDArray[Any], slope: float, intercept: float) -> float:
    """The summed log loss of scaled log-odds."""
    scaled = slope * log_odds + intercept
    return float(np.sum(np.logaddexp(0, scaled) - truth * scaled))


def threshold(how: str | float, probability: Floats, truth: npt.NDArray[Any]) -> float:
    """The probability from which a case is called positive, to four digits.

    ``f1``: the one with the highest F1; ``rate``: the one that calls as many positive as there are; a number: itself.
    """
    if isinstance(how, float):
        return how
    if how == "rate":
        return _rounded_down(np.quantile(probability, 1 - np.mean(truth)))
    precision, recall, thresholds = precision_recall_curve(truth, probability)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return _rounded_down(thresholds[np.argmax(f1[:-1])])


def _rounded_down(value: float) -> float:
    """Four significant digits, never above the value: the row that a threshold was chosen by still reaches it."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 3) if value > 0 else 1.0
    return float(f"{math.floor(value / unit * (1 + 1e-12)) * unit:.4g}")
