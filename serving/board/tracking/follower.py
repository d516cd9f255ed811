"""Follows the event log for the model that answers, from where the last official prediction left off."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from contextlib import aclosing, suppress
from datetime import datetime, timedelta
from typing import Any

from board.clients.data_service import DataService
from board.clients.prediction_service import PredictionService
from board.errors import BoardError
from board.metrics import Metrics
from board.tracking.source import Source
from board.tracking.subject_tracker import SubjectTracker
from board.tracking.tables import Entries

NEWS_SECONDS = 5.0  # how long the data service may wait for an event before it answers that there is none
MODEL_SECONDS = 30.0  # between two looks at the model that answers
AFTER_FAILURE_SECONDS, LONGEST_PAUSE_SECONDS = 2.0, 60.0  # after a failure, each pause twice as long as the last
LAST_SECONDS = 5.0  # at shutdown, to finish what is under way
NO_SOURCE = "the model's columns do not come from events: callers give them to the prediction service themselves"
logger = logging.getLogger(__name__)


class Follower:
    """Follows for ever; ``tracker`` is what it knows, and ``state`` says in words what it does."""

    def __init__(
        self, data_service: DataService, predictor: PredictionService, metrics: Metrics, warm_up_days: float | None
    ) -> None:
        self._data_service, self._predictor, self._metrics = data_service, predictor, metrics
        self._warm_up_days = warm_up_days
        self._step: asyncio.Task[None] | None = None
        self._failures, self._looked_at = 0, 0.0
        self.tracker: SubjectTracker | None = None
        self.model: dict[str, Any] | None = None
        self.state = "waits for the prediction service"
        self.failure: str | None = None
        self.caught_up = False

    @property
    def has_source(self) -> bool | None:
        """Whether the model's columns come from events; None while that is not known."""
        return None if self.model is None else bool(self.model["schema"].get("source"))

    @property
    def works(self) -> bool:
        """Whether nothing fails, and no official prediction is behind."""
        if self.failure or self._data_service.failure or self._predictor.failure or self.has_source is None:
            return False
        tracker = self.tracker
        if tracker is None or (watermark := tracker.tables.watermark) is None:
            return not self.has_source or self.caught_up  # the latter where the log is empty
        return not tracker.officials.due(watermark)

    async def run(self) -> None:
        """Follows until it is cancelled; begins again after a failure."""
        while True:
            try:
                await self._follow()
            except BoardError as error:
                self._fail(str(error))
                logger.error("the board begins again", extra={"reason": str(error)})
            except Exception as error:
                self._fail(f"{type(error).__name__}: {error}")
                logger.exception("the board failed and begins again")
            await asyncio.sleep(min(AFTER_FAILURE_SECONDS * 2**self._failures, LONGEST_PAUSE_SECONDS))

    async def close(self) -> None:
        """Waits a few seconds for what is under way; what fails then is done again at the next start."""
        if self._step and not self._step.done():
            with suppress(Exception):
                await asyncio.wait_for(self._step, LAST_SECONDS)

    def _fail(self, reason: str) -> None:
        self.failure, self.tracker, self.caught_up = reason, None, False
        self._failures += 1

    def _succeed(self) -> None:
        self.failure, self._failures = None, 0

    async def _follow(self) -> None:
        """Follows until another model answers."""
        self.model = await self._predictor.until_answered(self._predictor.model)
        self._looked_at = time.monotonic()
        if not self.has_source:
            if self.state != NO_SOURCE:
                logger.info("the board follows nothing", extra={"reason": NO_SOURCE, "model": self.model["version"]})
            self.state, self.tracker = NO_SOURCE, None
            self._succeed()
            await asyncio.sleep(MODEL_SECONDS)
            return
        source = Source(self.model)
        tracker = self.tracker
        if tracker is None or tracker.source.content != source.content:
            self.tracker, self.caught_up = None, False
            tracker = await self._open(source)
        tracker.source.model_version = source.model_version
        async with aclosing(self._data_service.pages(tracker.tables.position, NEWS_SECONDS)) as pages:
            async for page in pages:
                await self._finish(tracker, page)
                version = tracker.officials.model_version or (None if page else await self._answering_version())
                if version not in {None, source.model_version}:
                    tracker.officials.model_version = None
                    return

    async def _answering_version(self) -> str | None:
        """The version of the model that answers, looked at now and then; None where nobody looked, or nobody answers."""
        if time.monotonic() - self._looked_at < MODEL_SECONDS:
            return None
        self._looked_at = time.monotonic()
        try:
            return str((await self._predictor.model())["version"])
        except BoardError:  # which /readyz shows
            return None

    async def _finish(self, tracker: SubjectTracker, page: Entries) -> None:
        """Does what a page of events makes due; an empty one says that the log was read."""
        self.tracker, self.state = tracker, "follows the log"
        if page:
            await self._work(tracker.take(page))
            self._succeed()
            return
        if not self.caught_up:
            position, watermark = tracker.tables.position, tracker.tables.watermark
            logger.info("the board has read the log", extra={"position": position, "watermark": str(watermark)})
        self.caught_up = True
        self._succeed()

    async def _open(self, source: Source) -> SubjectTracker:
        """What the board knew when the newest official prediction was made, or nothing where there is none."""
        first_known_at = await self._first_known_at(source.live.TABLE)
        self.state = "reads the log"
        newest = await self._data_service.until_answered(self._data_service.newest_official)
        days = source.recipe.HISTORY_DAYS if self._warm_up_days is None else self._warm_up_days
        since = first_known_at + timedelta(days=days)
        services = self._data_service, self._predictor
        if newest is None:
            return SubjectTracker(source, services, self._metrics, since, first_known_at)
        restored = datetime.fromisoformat(newest["as_of"]) - timedelta(days=source.live.OUTCOME_DAYS)
        stored = await self._data_service.until_answered(lambda: self._data_service.official_predictions(restored))
        tracker = SubjectTracker(source, services, self._metrics, max(since, restored), first_known_at)
        tracker.restore(stored)
        await self._load(tracker, restored, max(prediction["log_position"] for prediction in stored))
        return tracker

    async def _first_known_at(self, table: str) -> datetime:
        """Where the log of the subjects' table begins; waits for its first event. What others hold is no history."""
        while not (period := (await self._data_service.until_answered(self._data_service.log_state))["tables"].get(table)):
            self.state = f"waits for the first event of {table}: send one with POST /events of the data service"
            self.caught_up = True  # the board knows all that the log knows: containers wait until it is ready
            await asyncio.sleep(NEWS_SECONDS)
        self.caught_up = False
        return datetime.fromisoformat(period["first_known_at"])

    async def _load(self, tracker: SubjectTracker, oldest: datetime, position: int) -> None:
        """Takes up the events to a position that moments from ``oldest`` on can see, and finishes what was begun there."""
        for table, days in tracker.source.live.LOOK_BACK_DAYS.items():
            since = {} if days is None else {"from": (oldest - timedelta(days=days)).isoformat()}
            async for page in self._data_service.events_until(position, table=table, **since):
                await asyncio.to_thread(tracker.load, page)
        tracker.begin_at(position, oldest)
        await self._work(tracker.catch_up())

    async def _work(self, step: Coroutine[Any, Any, None]) -> None:
        """Does a step to its end, also where the board is told to end meanwhile: ``close`` waits for it."""
        self._step = asyncio.create_task(step)
        await asyncio.shield(self._step)
