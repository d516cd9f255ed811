"""Counts recent predictions in the bins of the model that answers now."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from data_api.crud.time_ranges import TimeRange, live_ranges, scored
from data_api.drift import Window
from data_api.models import ModelVersion, Prediction

MAX_ROWS = 20_000  # per window; chance then moves an index of twenty bins by 0.001, and reading takes about a second
FETCHED_AT_ONCE = 500


def count_windows(session: Session, now: datetime, lengths: Mapping[str, timedelta]) -> dict[str, Window]:
    """A window for each length before now, by its label, with up to MAX_ROWS predictions of one model version.

    The version is that of the newest prediction. There are no windows without predictions, or if no reference of the
    version is stored. If a window has more predictions than MAX_ROWS, an evenly spaced sample of them is counted.
    """
    ranges = {label: live_ranges(session, now, length) for label, length in lengths.items()}
    version = _newest_version(session, ranges[max(lengths, key=lambda label: lengths[label])])
    reference = (
        session.scalar(select(ModelVersion.reference).where(ModelVersion.model_version == version)) if version else None
    )
    if reference is None:
        return {}
    windows = {label: Window(reference) for label in lengths}
    for label, window in windows.items():
        sample = _even_sample(session, Prediction.model_version == version, scored(ranges[label]))
        for features, probability in session.execute(sample):
            window.add(features, probability)
    return windows


def _newest_version(session: Session, ranges: Sequence[TimeRange]) -> str | None:
    newest = [
        row
        for time_range in ranges
        if (
            row := session.execute(
                select(Prediction.prediction_id, Prediction.model_version)
                .where(scored([time_range]))
                .order_by(Prediction.prediction_id.desc())
                .limit(1)
            ).first()
        )
    ]
    return max(newest).model_version if newest else None


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
