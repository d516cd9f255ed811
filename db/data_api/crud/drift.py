"""Counts what arrived lately by the bins of the model that answers now."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from data_api.drift import Window
from data_api.ids import first_at
from data_api.models import Model, Prediction

MOST_ROWS = 20_000  # the newest; chance then moves an index of twenty bins by 0.001, and reading takes about a second
AT_ONCE = 500


def windows(session: Session, until: datetime, lengths: Mapping[str, timedelta]) -> dict[str, Window]:
    """A window of each length before ``until``, by its label, with up to MOST_ROWS predictions of the version in it.

    That is the version of the newest prediction; without one, or where nobody told its reference, there is none.
    """
    end, begins = first_at(until), {label: first_at(until - length) for label, length in lengths.items()}
    made = (Prediction.prediction_id >= min(begins.values()), Prediction.prediction_id < end)
    newest = select(Prediction.model_version).where(*made).order_by(Prediction.prediction_id.desc()).limit(1)
    version = session.scalar(newest)
    reference = session.scalar(select(Model.reference).where(Model.model_version == version)) if version else None
    if reference is None:
        return {}
    found = {label: Window(reference) for label in lengths}
    asked = (
        select(Prediction.prediction_id, Prediction.features, Prediction.probability)
        .where(*made, Prediction.model_version == version)
        .order_by(Prediction.prediction_id.desc())
        .limit(MOST_ROWS)
        .execution_options(yield_per=AT_ONCE)
    )
    for prediction_id, features, probability in session.execute(asked):
        for label, window in found.items():
            if prediction_id >= begins[label]:
                window.add(features, probability)
    return found
