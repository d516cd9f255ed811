"""Makes log-odds into probabilities that keep their word, and chooses the threshold, from rows the model has not seen."""

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
class Calibrated:
    """A fitted pipeline whose log-odds are scaled and shifted (Platt 1999) before the sigmoid."""

    estimator: Pipeline
    slope: float
    intercept: float

    def probability(self, packed: pd.DataFrame) -> Floats:
        """The probability of the positive label for each row of a frame that ``inputs.frame`` made."""
        return np.asarray(expit(self.slope * self.estimator.decision_function(packed) + self.intercept))


def platt(log_odds: Floats, truth: npt.NDArray[Any]) -> tuple[float, float]:
    """Slope and intercept of the logistic regression of the truth on held-out log-odds, to four decimals."""
    fitted = LogisticRegression(C=np.inf, tol=1e-8).fit(log_odds[:, None], truth)
    return round(float(fitted.coef_[0, 0]), 4), round(float(fitted.intercept_[0]), 4)


def threshold(how: str | float, probability: Floats, truth: npt.NDArray[Any]) -> float:
    """The probability from which a case is called positive, to four decimals.

    ``f1``: the one with the highest F1; ``rate``: the one that calls as many positive as there are; a number: itself.
    """
    if isinstance(how, float):
        return how
    if how == "rate":
        return round(float(np.quantile(probability, 1 - np.mean(truth))), 4)
    precision, recall, thresholds = precision_recall_curve(truth, probability)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return round(float(thresholds[np.argmax(f1[:-1])]), 4)
