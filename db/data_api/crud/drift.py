"""Counts what arrived lately by the bins of the model that answers now."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from data_api.database.uuid7 import first_at
from data_api.drift import Window
from data_api.models import Model, Prediction

MOST_ROWS = 20_000  # of a window; chance then moves an index of twenty bins by 0.001, and reading takes about a second
AT_ONCE = 500


def windows(session: Session, until: datetime, lengths: Mapping[str, timedelta]) -> dict[str, Window]:
    """A window of each length before ``until``, by its label, with up to MOST_ROWS predictions of the version in it.

    That is the version of the newest prediction; without one, or where nobody told its reference, there is none. Of more
    predictions MOST_ROWS are read that lie evenly in their order, so that a window is of its whole length.
    """
    end, begins = first_at(until), {label: first_at(until - length) for label, length in lengths.items()}
    made = (Prediction.prediction_id >= min(begins.values()), Prediction.prediction_id < end)
    newest = select(Prediction.model_version).where(*made).order_by(Prediction.prediction_id.desc()).limit(1)
    version = session.scalar(newest)
    reference = session.scalar(select(Model.reference).where(Model.model_version == version)) if version else None
    if reference is None:
        return {}
    found = {label: Window(reference) for label in lengths}
    of_version = (Prediction.model_version == version, Prediction.prediction_id < end)
    for label, window in found.items():
        asked = _evenly(session, *of_version, Prediction.prediction_id >= begins[label])
        for features, probability in session.execute(asked):
            window.add(features, probability)
    return found


def _evenly(session: Session, *within: ColumnElement[bool]) -> Select[tuple[dict[str, Any], float]]:
    """Features and probability of all predictions; of too many, those where number * MOST_ROWS / rows reaches an integer."""
    asked = select(Prediction.features, Prediction.probability).execution_options(yield_per=AT_ONCE)
    rows = session.scalars(select(func.count()).select_from(Prediction).where(*within)).one()
    if rows <= MOST_ROWS:
        return asked.where(*within)
    number = func.row_number().over(order_by=Prediction.prediction_id).label("number")
    numbered = select(Prediction.prediction_id, number).where(*within).subquery()
    chosen = numbered.c.number * MOST_ROWS % rows < MOST_ROWS
    return asked.join(numbered, Prediction.prediction_id == numbered.c.prediction_id).where(*within, chosen)
