"""Platt scaling: calibrates log-odds, and chooses the threshold, by the out-of-fold predictions of training rows."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, precision_recall_curve
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import Pipeline

from pipeline.modeling import estimator

Floats = npt.NDArray[np.float64]
PLATT = LogisticRegression(C=np.inf, tol=1e-8)


@dataclass(frozen=True)
class CalibratedModel:
    """A fitted pipeline with the slope and intercept that calibrate its log-odds (Platt scaling, Platt 1999)."""

    estimator: Pipeline
    slope: float
    intercept: float

    def probability(self, packed: pd.DataFrame) -> Floats:
        """The probability of the positive label for each row of a frame from ``model_inputs.pack``."""
        return calibrate(estimator.log_odds(self.estimator, packed), self.slope, self.intercept)


def calibrate(log_odds: Floats, slope: float, intercept: float) -> Floats:
    """The calibrated probabilities [n]: the sigmoid of slope times log-odds plus intercept."""
    return np.asarray(expit(slope * log_odds + intercept))


def fit_platt(log_odds: Floats, truth: npt.NDArray[Any]) -> tuple[float, float]:
    """Slope and intercept of Platt scaling: the logistic regression of the truth on held-out log-odds, to four decimals."""
    fitted = clone(PLATT).fit(log_odds[:, None], truth)
    return round(float(fitted.coef_[0, 0]), 4), round(float(fitted.intercept_[0]), 4)


def fit_scaling(log_odds: Floats, truth: npt.NDArray[Any], folds: npt.NDArray[np.intp]) -> tuple[float, float]:
    """Slope and intercept for out-of-fold log-odds [n]: Platt's if cross-validation shows a gain, else 1 and 0.

    A model fitted to the log loss is often calibrated already. Scaling it nevertheless would carry the drift between the
    folds into later predictions.
    """
    scaled = cross_val_predict(PLATT, log_odds[:, None], truth, cv=PredefinedSplit(folds), method="predict_proba")[:, 1]
    helps = log_loss(truth, scaled) < log_loss(truth, expit(log_odds))
    return fit_platt(log_odds, truth) if helps else (1.0, 0.0)


def choose_threshold(rule: str | float, probability: Floats, truth: npt.NDArray[Any]) -> float:
    """The probability from which a case is predicted positive, to four digits.

    ``f1`` gives the highest F1, ``rate`` predicts as many positives as there are; a number is its own threshold.
    """
    if isinstance(rule, float):
        return rule
    if rule == "rate":
        return _round_down(np.quantile(probability, 1 - np.mean(truth)))
    precision, recall, thresholds = precision_recall_curve(truth, probability)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return _round_down(thresholds[np.argmax(f1[:-1])])


def _round_down(value: float) -> float:
    """Four significant digits, never above the value, so that the row by which a threshold was chosen still reaches it."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 3) if value > 0 else 1.0
    return float(f"{math.floor(value / unit * (1 + 1e-12)) * unit:.4g}")
