"""One model's source tables as the log leaves them, with the predictions and outcomes that they make due."""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from board.clients.data_service import DataService
from board.clients.prediction_service import PredictionService
from board.metrics import Metrics
from board.tracking.official import Officials
from board.tracking.outcomes import Outcomes
from board.tracking.source import Source, time_of
from board.tracking.tables import Entries, Tables

FORGET_AFTER = timedelta(days=1)  # of the log, between two times at which old rows are forgotten
HOUR = 3600  # seconds
logger = logging.getLogger(__name__)


class SubjectTracker:
    """Takes up events, predicts the subjects that are due, and records what came true.

    Subjects whose moment is before ``since`` get no official prediction; ``first_known_at`` is where the log begins.
    """

    def __init__(
        self,
        source: Source,
        services: tuple[DataService, PredictionService],
        metrics: Metrics,
        since: datetime,
        first_known_at: datetime,
    ) -> None:
        data_service, predictor = services
        self.source, self.since, self.first_known_at, self._metrics = source, since, first_known_at, metrics
        self.tables = Tables(source)
        self.officials = Officials(source, self.tables, predictor, metrics, since)
        self.outcomes = Outcomes(source, self.tables, self.officials, data_service, metrics)
        self._forgotten_until = since
        self._silent: set[str] = set()  # tables of which the log of the board says so

    @property
    def earliest(self) -> datetime:
        """The first moment of which the board knows all that the log knows."""
        kept_since = self.tables.kept_since
        return kept_since + timedelta(days=self.source.recipe.HISTORY_DAYS) if kept_since else self.first_known_at

    def restore(self, stored: Sequence[Mapping[str, Any]]) -> None:
        """Takes up official predictions that the data service has."""
        self.officials.restore(stored)
        self.outcomes.restore(prediction for prediction in stored if prediction["outcome"] is not None)

    def begin_at(self, position: int, oldest: datetime) -> None:
        """Says that all events up to a position were loaded which moments from ``oldest`` on can see."""
        self.tables.position = position
        kept_since = oldest - timedelta(days=self.source.live.LOOK_BACK_DAYS[self.source.live.TABLE])
        self.tables.kept_since = kept_since if kept_since > self.first_known_at else None

    def load(self, entries: Entries) -> None:
        """Takes up events whose predictions were made before."""
        self.tables.apply(entries, stop_at_revision=False)
        self._count(entries)

    async def take(self, entries: Entries) -> None:
        """Takes up events in their order, and does all that they make due.

        Before an event changes what was known, the moments before it are predicted: they are not to see the change.
        """
        while entries:
            taken = await asyncio.to_thread(self.tables.apply, entries)
            self._count(entries[:taken])
            entries = entries[taken:]
            if entries:
                await self.catch_up(entries[0][1].known_at)
                self.load(entries[:1])
                entries = entries[1:]
        await self.catch_up()

    async def catch_up(self, until: datetime | None = None) -> None:
        """Predicts the subjects whose moment is before the watermark, or before ``until``, and records outcomes."""
        if self.tables.watermark is None:
            return
        touched, self.tables.touched = self.tables.touched, set()
        watermark = self.tables.watermark
        await asyncio.to_thread(self.officials.schedule, touched)
        predicted = await self.officials.predict_due(max(until or watermark, watermark))
        await self.outcomes.record(touched.union(predicted), watermark)
        self._forget(watermark)
        self._show(watermark)

    def ages(self) -> dict[str, float]:
        """Seconds of the log since the newest event of each table.

        A table that should speak and never did has been silent since the log began.
        """
        watermark, newest = self.tables.watermark, dict(self.tables.newest)  # a copy: a thread may be changing it
        newest = {**dict.fromkeys(self.source.live.SILENT_HOURS, self.first_known_at), **newest}
        return {table: (watermark - known_at).total_seconds() for table, known_at in newest.items() if watermark}

    def silent(self) -> dict[str, float]:
        """The ages of the tables that have been silent for longer than the recipe expects."""
        allowed = self.source.live.SILENT_HOURS
        return {table: age for table, age in self.ages().items() if table in allowed and age > allowed[table] * HOUR}

    def _forget(self, watermark: datetime) -> None:
        if watermark - self._forgotten_until < FORGET_AFTER:
            return
        self._forgotten_until = watermark
        pending = self.officials.pending
        oldest = min(watermark, time_of(min(pending.values()))) if pending else watermark
        self.tables.forget(oldest, pending.keys())
        self.officials.forget(oldest - timedelta(days=self.source.live.LOOK_BACK_DAYS[self.source.live.TABLE]))
        self.outcomes.forget()

    def _count(self, entries: Entries) -> None:
        for table, count in Counter(event.table for _, event in entries).items():
            if table in self.source.tables:
                self._metrics.events.labels(table).inc(count)
            else:
                self._metrics.events_refused.inc(count)

    def _show(self, watermark: datetime) -> None:
        self._metrics.watermark.set(watermark.timestamp())
        self._metrics.position.set(self.tables.position)
        silent = self.silent()
        for table in silent.keys() - self._silent:
            extra = {"table": table, "hours": round(silent[table] / HOUR, 1)}
            logger.warning("a table is silent: features that depend on it will be missing values", extra=extra)
        self._silent = set(silent)
        for table, age in self.ages().items():
            self._metrics.table_age.labels(table).set(age)
            self._metrics.table_silent.labels(table).set(table in silent)
