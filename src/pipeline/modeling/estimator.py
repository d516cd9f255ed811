"""The estimators that ``conf/model`` chooses from: from packed raw columns to a log-odds, all of it fitted together."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from pipeline.config.settings import Columns, HistGradientBoosting, Logistic, Model
from pipeline.data.schema import feature_names

MINUTE, DAY, WEEK = 60.0, 86_400.0, 7.0
SPLITTABLE = 20  # leaves that a small table can fill: a leaf needs no more than this share of its rows
THURSDAY = 3.0  # 1970-01-01 was one, counted from Monday


class DatetimeParts(TransformerMixin, BaseEstimator):
    """Minutes after midnight and the weekday (0 is Monday) of datetimes given as seconds since 1970: [n, k] to [n, 2k]."""

    def fit(self, X: Any, y: Any = None) -> "DatetimeParts":
        """Learns nothing but the number of columns."""
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Any) -> npt.NDArray[np.float32]:
        """[n, 2k] float32: the minutes of all columns, then the weekdays; NaN stays NaN."""
        seconds = np.asarray(X, dtype=np.float64)
        minutes = np.floor((seconds - np.floor(seconds / DAY) * DAY) / MINUTE)
        days = np.floor(seconds / DAY) + THURSDAY
        return np.hstack([minutes, days - np.floor(days / WEEK) * WEEK]).astype(np.float32)


def build(model: Model, columns: Columns, rows: int, seed: int) -> Pipeline:
    """An unfitted pipeline for a frame that ``inputs.frame`` made; it accepts missing values and unseen categories."""
    if isinstance(model, HistGradientBoosting):
        return _trees(model, columns, rows, seed)
    return _logistic(model, columns)


def _trees(model: HistGradientBoosting, columns: Columns, rows: int, seed: int) -> Pipeline:
    # Codes, not native categories: skl2onnx turns native ones into a graph that is silently wrong.
    codes = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan, dtype=np.float32
    )
    boosting = HistGradientBoostingClassifier(
        learning_rate=model.learning_rate,
        max_iter=model.trees,
        max_leaf_nodes=model.leaves,
        min_samples_leaf=min(model.rows_per_leaf, max(rows // SPLITTABLE, 1)),
        l2_regularization=model.l2,
        max_features=model.columns_per_split,
        early_stopping=False,
        random_state=seed,
    )
    return Pipeline([("columns", _by_kind(columns, "passthrough", codes, DatetimeParts())), ("classifier", boosting)])


def _logistic(model: Logistic, columns: Columns) -> Pipeline:
    numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    shown = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    moments = make_pipeline(DatetimeParts(), SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    regression = LogisticRegression(C=model.inverse_penalty, max_iter=model.iterations)
    return Pipeline([("columns", _by_kind(columns, numbers, shown, moments)), ("classifier", regression)])


def _by_kind(columns: Columns, numbers: Any, categories: Any, datetimes: Any) -> ColumnTransformer:
    """Sends each kind of column to its transformer by position: the exported graph knows positions, not names."""
    counts = [len(feature_names(columns, kind)) for kind in ("number", "category", "datetime")]
    starts = np.cumsum([0, *counts])
    named = zip(("numbers", "categories", "datetimes"), (numbers, categories, datetimes), starts, counts, strict=False)
    return ColumnTransformer([(name, kind, list(range(start, start + n))) for name, kind, start, n in named if n])
