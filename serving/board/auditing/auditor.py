"""The audit as a task of the board: at intervals, of all official predictions since the last one."""

import asyncio
import logging
from datetime import datetime, timedelta

from board.auditing.audit import Audit, AuditResult
from board.clients.data_service import DataService
from board.clients.prediction_service import PredictionService
from board.errors import BoardError
from board.metrics import Metrics
from board.tracking.follower import Follower
from board.tracking.source import Source

MOST_LOGGED = 5
logger = logging.getLogger(__name__)


class Auditor:
    """Audits every ``hours``; ``state`` says in words what the last audit found."""

    def __init__(
        self,
        follower: Follower,
        services: tuple[DataService, PredictionService],
        metrics: Metrics,
        hours: float,
    ) -> None:
        self._follower, self._services, self._metrics, self._hours = follower, services, metrics, hours
        self._until: datetime | None = None
        self.state = "there was none yet"

    async def run(self) -> None:
        """Audits for ever."""
        while True:
            await asyncio.sleep(timedelta(hours=self._hours).total_seconds())
            tracker = self._follower.tracker
            if tracker is None or (watermark := tracker.tables.watermark) is None:
                continue
            since = self._until or watermark - timedelta(hours=self._hours)
            try:
                await self.audit(tracker.source, since, watermark)
                self._until = watermark
            except BoardError as error:
                self.state = f"the last one failed: {error}"
                logger.warning("the audit failed, and is tried again", extra={"reason": str(error)})
            except Exception as error:
                self.state = f"the last one failed: {type(error).__name__}: {error}"
                logger.exception("the audit failed, and is tried again")

    async def audit(self, source: Source, since: datetime, until: datetime) -> AuditResult:
        """Audits the predictions whose moments are in a period, counts and logs what differs."""
        result = await Audit(source, *self._services).run(since, until)
        self.state = result.sentence()
        self._metrics.audited.inc(result.compared)
        self._metrics.mismatches.inc(len(result.mismatches))
        self._metrics.late_facts.inc(len(result.late))
        period = {"since": since.isoformat(), "until": until.isoformat()}
        logger.info("official predictions were audited", extra={**period, "result": self.state})
        for difference in result.mismatches[:MOST_LOGGED]:
            logger.error("features differ from those of the log as it stood", extra=difference)
        for difference in result.late[:MOST_LOGGED]:
            logger.warning("features would differ today, because facts came late", extra=difference)
        return result
