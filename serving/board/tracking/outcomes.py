"""The outcomes of official predictions: read from the log, and recorded in the data service."""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from httpx import codes

from board.clients.data_service import DataService
from board.errors import ContentRejected
from board.metrics import Metrics
from board.tracking.official import Officials
from board.tracking.source import Source, time_of
from board.tracking.tables import Tables
from pipeline.data.event_log import Key

MOST_OUTCOMES = 1000  # of one request
logger = logging.getLogger(__name__)


class Outcomes:
    """Records the outcome of each official prediction once, when the log says what came true."""

    def __init__(
        self, source: Source, tables: Tables, officials: Officials, data_service: DataService, metrics: Metrics
    ) -> None:
        self._source, self._tables, self._officials = source, tables, officials
        self._data_service, self._metrics = data_service, metrics
        self._recorded: set[Key] = set()
        self._given_up: set[Key] = set()

    def restore(self, stored: Iterable[Mapping[str, Any]]) -> None:
        """Takes up predictions whose outcome the data service has."""
        self._recorded.update(self._source.key_of_text(prediction["subject"]) for prediction in stored)

    async def record(self, touched: Collection[Key], watermark: datetime) -> None:
        """Records what came true of subjects that events have changed, where they have an official prediction."""
        made = self._officials.made
        waiting = [key for key in touched if key in made and key not in self._recorded]
        known = await asyncio.to_thread(self._known, waiting)
        for start in range(0, len(known), MOST_OUTCOMES):
            await self._record(dict(known[start : start + MOST_OUTCOMES]))
        self._give_up(watermark)

    def _known(self, keys: Sequence[Key]) -> list[tuple[Key, bool]]:
        """The subjects whose outcomes the log says."""
        keys, rows = self._tables.subject_rows(keys)
        outcomes = zip(keys, self._source.outcomes(rows), strict=True)
        return [(key, outcome) for key, outcome in outcomes if outcome is not None]

    def forget(self) -> None:
        """Forgets what is about predictions that were forgotten."""
        self._recorded.intersection_update(self._officials.made)
        self._given_up.intersection_update(self._officials.made)

    async def _record(self, outcomes: dict[Key, bool]) -> None:
        ids = {self._officials.made[key].prediction_id: outcome for key, outcome in outcomes.items()}
        try:
            await self._data_service.until_answered(lambda: self._data_service.record_outcomes(ids))
        except ContentRejected as error:
            if len(outcomes) > 1:
                for key, outcome in outcomes.items():
                    await self._record({key: outcome})
                return
            extra = {"subjects": [self._source.subject(key) for key in outcomes], "reason": str(error)}
            if error.status == codes.CONFLICT:
                logger.warning("the data service has another outcome, which stays", extra=extra)
            else:
                logger.error(
                    "the data service does not take an outcome; the next start of the board sends it again", extra=extra
                )
        self._recorded.update(outcomes)
        for outcome in outcomes.values():
            self._metrics.outcomes[str(outcome).lower()].inc()

    def _give_up(self, watermark: datetime) -> None:
        """Counts predictions that have had no outcome for so long that none is to be expected."""
        oldest = watermark - timedelta(days=self._source.live.OUTCOME_DAYS)
        for key, official in self._officials.made.items():
            if key not in self._recorded and key not in self._given_up and time_of(official.moment) < oldest:
                self._given_up.add(key)
                self._metrics.outcomes["none"].inc()
