"""Everything that one running board holds, opened and closed together."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from board.auditing.auditor import Auditor
from board.clients.data_service import DataService
from board.clients.prediction_service import PredictionService
from board.clients.readers import Readers
from board.heartbeat import send_heartbeats
from board.metrics import Metrics
from board.questions.batches import QuestionBatches
from board.questions.explanations import Explanations
from board.questions.forecasts import Forecasts
from board.scoring.live_scores import LiveScores
from board.scoring.surprises import Surprises
from board.settings import Settings
from board.tracking.follower import Follower
from service_kit.caller_keys import ApiKeys
from service_kit.heartbeat import Heartbeat


class AppState:
    """The clients of the other services, the follower, the keys and the metrics."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsInvalid where the keys cannot be read."""
        self.settings, self.metrics = settings, Metrics()
        self.keys = ApiKeys(settings.api_keys, "API_KEYS")
        self.data_service = DataService(str(settings.data_api_url), _text(settings.data_api_key), "DATA_API_URL")
        self.predictor = PredictionService(
            str(settings.prediction_api_url), _text(settings.prediction_api_key), "PREDICTION_API_URL"
        )
        self.readers = Readers(str(settings.data_api_url))
        self.follower = Follower(self.data_service, self.predictor, self.metrics, settings.warm_up_days)
        services = self.data_service, self.predictor
        self.auditor = Auditor(self.follower, services, self.metrics, settings.audit_hours)
        self.forecasts, self.questions = Forecasts(self.predictor), QuestionBatches(self.predictor)
        self.explanations = Explanations(self.predictor)
        self.live_scores, self.surprises = LiveScores(self.data_service), Surprises(*services)
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Starts what runs beside the requests; a second time changes nothing."""
        if self._tasks:
            return
        works = [self.follower.run()]
        if self.settings.audit_hours:
            works.append(self.auditor.run())
        if url := self.settings.board_heartbeat_url:
            works.append(send_heartbeats(Heartbeat(str(url.get_secret_value()), "BOARD_HEARTBEAT_URL"), self.follower))
        self._tasks = [asyncio.create_task(work) for work in works]

    async def close(self) -> None:
        """Stops what runs beside the requests; what is under way has a few seconds to end."""
        tasks, self._tasks = self._tasks, []
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.explanations.close()
        await self.follower.close()
        await self.data_service.close()
        await self.predictor.close()
        await self.readers.close()

    def checks(self) -> dict[str, dict[str, Any]]:
        """The prediction service, the log and the tables: whether each works, and what it does."""
        follower = self.follower
        model = follower.model
        checks: dict[str, dict[str, Any]] = {
            "prediction_service": {
                "ok": model is not None and self.predictor.failure is None,
                "model": model and model["version"],
                "answers": self.predictor.failure or "ok",
            }
        }
        if follower.has_source is False:
            return {**checks, "log": {"ok": True, "state": follower.state}}
        reason = follower.failure or self.data_service.failure
        checks["log"] = {"ok": follower.caught_up and reason is None, "state": reason or follower.state}
        if (tracker := follower.tracker) and (watermark := tracker.tables.watermark):
            silent = tracker.silent()
            checks["log"] |= {
                "position": tracker.tables.position,
                "watermark": watermark.isoformat(),
                "age_seconds": round((datetime.now(UTC) - watermark).total_seconds()),
                "due": len(tracker.officials.due(watermark)),
            }
            checks["audit"] = {"ok": True, "last": self.auditor.state}
            checks["tables"] = {
                "ok": True,  # what is missing is predicted as missing
                "seconds_since_last_event": {name: round(age) for name, age in tracker.ages().items()},
                "silent": sorted(silent),
            }
        return checks


def _text(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
