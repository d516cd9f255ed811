"""Counts recent predictions in the bins of the model that answers now."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from data_api.database.uuid7 import first_at
from data_api.drift import Window
from data_api.models import ModelVersion, Prediction

MAX_ROWS = 20_000  # per window; chance then moves an index of twenty bins by 0.001, and reading takes about a second
FETCHED_AT_ONCE = 500


def count_windows(session: Session, until: datetime, lengths: Mapping[str, timedelta]) -> dict[str, Window]:
    """A window for each length before ``until``, by its label, with up to MAX_ROWS predictions of one model version.

    The version is that of the newest prediction. There are no windows without predictions, or if no reference of the
    version is stored. If a window has more predictions than MAX_ROWS, an evenly spaced sample of them is counted.
    """
    end, starts = first_at(until), {label: first_at(until - length) for label, length in lengths.items()}
    recent = (Prediction.prediction_id >= min(starts.values()), Prediction.prediction_id < end)
    newest = select(Prediction.model_version).where(*recent).order_by(Prediction.prediction_id.desc()).limit(1)
    version = session.scalar(newest)
    reference = (
        session.scalar(select(ModelVersion.reference).where(ModelVersion.model_version == version)) if version else None
    )
    if reference is None:
        return {}
    windows = {label: Window(reference) for label in lengths}
    of_version = (Prediction.model_version == version, Prediction.prediction_id < end)
    for label, window in windows.items():
        sample = _even_sample(session, *of_version, Prediction.prediction_id >= starts[label])
        for features, probability in session.execute(sample):
            window.add(features, probability)
    return windows


def _even_sample(session: Session, *conditions: ColumnElement[bool]) -> Select[tuple[dict[str, Any], float]]:
    """Features and probabilities of all predictions, or if there are too many, of every n-th for n = rows / MAX_ROWS."""
    statement = select(Prediction.features, Prediction.probability).execution_options(yield_per=FETCHED_AT_ONCE)
    rows = session.scalars(select(func.count()).select_from(Prediction).where(*conditions)).one()
    if rows <= MAX_ROWS:
        return statement.where(*conditions)
    number = func.row_number().over(order_by=Prediction.prediction_id).label("number")
    numbered = select(Prediction.prediction_id, number).where(*conditions).subquery()
    chosen = numbered.c.number * MAX_ROWS % rows < MAX_ROWS
    return statement.join(numbered, Prediction.prediction_id == numbered.c.prediction_id).where(*conditions, chosen)
