"""The estimators that ``conf/model`` chooses from: from packed raw columns to a log-odds, all of it fitted together."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from pipeline.config.settings import Columns, Model
from pipeline.data.schema import feature_names
from pipeline.modeling import classifier
from pipeline.support.errors import ParamsInvalid, TableInvalid, first_line

MINUTE, DAY, WEEK = 60.0, 86_400.0, 7.0
LEAST = 1e-3  # nearer to 0 and 1, the single precision of a probability in the graph would show in the log-odds
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


def build(model: Model, columns: Columns, rows: int, seed: int, ignored: Collection[int] = ()) -> Pipeline:
    """An unfitted pipeline for a frame from ``model_inputs.pack``, without the columns at the ``ignored`` positions.

    It accepts missing values and unseen categories.
    """
    return Pipeline([("columns", encoder(model, columns, ignored)), ("classifier", classifier.create(model, rows, seed))])


def encoder(model: Model, columns: Columns, ignored: Collection[int] = ()) -> ColumnTransformer:
    """The unfitted first part of the pipeline, which makes numbers of the columns."""
    whole = (_ordinal if model.encoding == "ordinal" else _one_hot)(columns)
    parts = ((name, part, [place for place in places if place not in ignored]) for name, part, places in whole.transformers)
    whole.transformers = [(name, part, places) for name, part, places in parts if places]
    return whole


def empty_columns(packed: pd.DataFrame) -> list[str]:
    """The numbers and datetimes without a single value, from which nothing can be learned."""
    return list(packed.columns[packed.isna().all()])


def ignored_positions(empty: Collection[str], names: Sequence[str], rows: int) -> list[int]:
    """The positions of the ``empty`` columns among ``names``. Raises TableInvalid where all of the ``rows`` are empty."""
    if len(empty) == len(names):
        raise TableInvalid(f"A model needs values to learn from; in these {rows} training rows all columns are empty.")
    return [position for position, name in enumerate(names) if name in empty]


def fit(model: Model, columns: Columns, packed: pd.DataFrame, truth: npt.NDArray[np.int8], seed: int) -> Pipeline:
    """A fitted pipeline, which ignores the columns that are empty in these rows.

    Raises TableInvalid where all are, ParamsInvalid where scikit-learn finds that the parameters do not go together.
    """
    ignored = ignored_positions(empty_columns(packed), list(packed.columns), len(packed))
    try:
        return build(model, columns, len(truth), seed, ignored).fit(packed, truth)
    except ValueError as error:
        raise ParamsInvalid(
            f"The parameters of {model.name} should go together; {first_line(error)}. Correct conf/model/{model.name}.yaml."
        ) from error


def log_odds(fitted: Pipeline, packed: pd.DataFrame) -> npt.NDArray[np.float64]:
    """The log-odds [n] of each row: the classifier's own, or those of its probability where it gives only that."""
    if hasattr(fitted, "decision_function"):
        return np.asarray(fitted.decision_function(packed))
    probability = np.clip(fitted.predict_proba(packed)[:, 1], LEAST, 1 - LEAST)
    return np.asarray(np.log(probability) - np.log1p(-probability))


def _ordinal(columns: Columns) -> ColumnTransformer:
    # Codes, not native categories: skl2onnx turns native ones into a graph that is silently wrong.
    codes = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan, dtype=np.float32
    )
    return _by_kind(columns, "passthrough", codes, DatetimeParts())


def _one_hot(columns: Columns) -> ColumnTransformer:
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    moments = make_pipeline(DatetimeParts(), SimpleImputer(strategy="median"), StandardScaler())
    return _by_kind(columns, numbers, encoder, moments)


def _by_kind(columns: Columns, numbers: Any, categories: Any, datetimes: Any) -> ColumnTransformer:
    """Sends each kind of column to its transformer by position: the exported graph knows positions, not names."""
    counts = [len(feature_names(columns, kind)) for kind in ("number", "category", "datetime")]
    starts = np.cumsum([0, *counts])
    named = zip(("numbers", "categories", "datetimes"), (numbers, categories, datetimes), starts, counts, strict=False)
    return ColumnTransformer([(name, kind, list(range(start, start + n))) for name, kind, start, n in named if n])
