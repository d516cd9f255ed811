"""Which predictions are scored: those of ranges of time, without those that have a subject and are not official."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, false, or_, true
from sqlalchemy.orm import Session

from data_api.crud import events
from data_api.database.uuid7 import first_at
from data_api.models import Prediction


class TimeRange(NamedTuple):
    """From ``since`` to before ``until``: official predictions (True), those without a subject (False), or both (None)."""

    since: datetime
    until: datetime
    official: bool | None = None

    def holds(self, row_id: Any) -> ColumnElement[bool]:
        """Whether the time in an id is in the range."""
        return and_(row_id >= first_at(self.since), row_id < first_at(self.until))


def live_ranges(session: Session, now: datetime, length: timedelta) -> list[TimeRange]:
    """The last ``length`` before now, and for official predictions before the watermark of the event log.

    So the scores of a log that is replayed are live too, whatever its year.
    """
    watermark = events.watermark(session).watermark
    if watermark is None:
        return [TimeRange(now - length, now)]
    return [TimeRange(now - length, now, official=False), TimeRange(watermark - length, watermark, official=True)]


def scored(ranges: Sequence[TimeRange]) -> ColumnElement[bool]:
    """Whether a prediction is scored, and in one of these ranges."""
    official = Prediction.official
    counted = {True: official == true(), False: official.is_(None), None: official.is_not(false())}
    return or_(*(and_(time_range.holds(Prediction.prediction_id), counted[time_range.official]) for time_range in ranges))
