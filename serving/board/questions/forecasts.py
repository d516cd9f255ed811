"""Predictions of subjects whose official one is still to come: as of the last quarter of an hour of the log.

They are kept while that quarter lasts, so that a page which is loaded again and again does not fill the database.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from board.clients.prediction_service import PredictionService
from board.errors import ContentRejected, ServiceUnavailable
from board.tracking.source import SECONDS, Record, time_of
from board.tracking.subject_tracker import SubjectTracker
from board.tracking.tables import Snapshot
from pipeline.data.event_log import Key

QUARTER = 15  # minutes
MOST_RECORDS = 500  # of one request
SHOWN = ("prediction_id", "probability", "label", "threshold", "model_version")
logger = logging.getLogger(__name__)


class Forecasts:
    """Makes forecasts when a caller asks for them; the data service stores them, and no score counts them."""

    def __init__(self, predictor: PredictionService) -> None:
        self._predictor, self._lock = predictor, asyncio.Lock()
        self._tracker: SubjectTracker | None = None
        self._moment = 0
        self._made: dict[Key, Record] = {}
        self._newest: dict[Key, Record] = {}
        self._task: asyncio.Task[dict[Key, Record]] | None = None

    def newest(self, tracker: SubjectTracker) -> dict[Key, Record]:
        """The newest forecast of each subject that has one, also of a quarter that is over."""
        return self._newest if self._tracker is tracker else {}

    async def shown(self, tracker: SubjectTracker, keys: Sequence[Key], patience_seconds: float) -> dict[Key, Record]:
        """The newest forecast of each subject, of an earlier quarter where those of this one take longer than that."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self.of(tracker, keys))
        await asyncio.wait({self._task}, timeout=patience_seconds)
        return self.newest(tracker)

    async def of(self, tracker: SubjectTracker, keys: Sequence[Key]) -> dict[Key, Record]:
        """The forecasts of subjects; none where the prediction service does not answer, or so far back nothing is known."""
        watermark = tracker.tables.watermark
        if watermark is None:
            return {}
        moment = int(watermark.timestamp()) // (QUARTER * SECONDS) * QUARTER
        if time_of(moment) < tracker.earliest:
            return {}
        async with self._lock:
            if self._tracker is not tracker:
                self._newest = {}
            if self._tracker is not tracker or self._moment != moment:
                self._tracker, self._moment, self._made = tracker, moment, {}
                self._newest = {key: made for key, made in self._newest.items() if key in tracker.officials.pending}
            missing = [key for key in keys if key not in self._made]
            try:
                for start in range(0, len(missing), MOST_RECORDS):
                    await self._predict(tracker, missing[start : start + MOST_RECORDS])
            except (ServiceUnavailable, ContentRejected) as error:
                logger.warning("there are no forecasts", extra={"reason": str(error)})
            return self._made

    async def _predict(self, tracker: SubjectTracker, keys: Sequence[Key]) -> None:
        source, as_of = tracker.source, time_of(self._moment)
        snapshot = await asyncio.to_thread(tracker.tables.snapshot)
        keys, records = await asyncio.to_thread(_records, tracker, snapshot, keys, self._moment)
        shared = {"prediction_id": None, "as_of": as_of.isoformat(), "log_position": snapshot.position, "official": False}
        subjects = [{**shared, "subject": source.subject_text(key)} for key in keys]
        predictions = await self._predictor.predict(records, subjects)
        for key, prediction in zip(keys, predictions, strict=True):
            self._made[key] = {"as_of": as_of, **{name: prediction[name] for name in SHOWN}}
        self._newest |= self._made


def _records(
    tracker: SubjectTracker, snapshot: Snapshot, keys: Sequence[Key], moment: int
) -> tuple[Sequence[Key], list[dict[str, Any]]]:
    known, rows = tracker.tables.subject_rows(keys)
    return known, tracker.source.records(snapshot.history, rows, [moment] * len(known))
