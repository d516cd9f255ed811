"""Everything that one running service holds, opened and closed together."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from prediction_api.logs import LOGGER
from prediction_api.metrics import Metrics
from prediction_api.model.microbatch import MicroBatcher
from prediction_api.model.model_manager import ModelManager
from prediction_api.model.model_source import ModelSource
from prediction_api.outbox import outbox as outboxes
from prediction_api.outbox.deployments import Deployments, replica_name
from prediction_api.outbox.outbox import Outbox
from prediction_api.predictor import Predictor
from prediction_api.settings import Settings
from service_kit.caller_keys import ApiKeys

if TYPE_CHECKING:
    from prediction_api.outbox.outbox_relay import OutboxRelay

MODEL_CACHE = "model"  # beside the outbox: the last model that a registry or a repository handed over
TAKE_OVER_SECONDS = 60.0
logger = logging.getLogger(LOGGER)


class AppState:
    """The model, its deployments, the outbox and its relay, the keys and the metrics."""

    def __init__(self, settings: Settings) -> None:
        """Opens the outbox; raises SettingsInvalid where the keys cannot be read, or OutboxUnusable."""
        self.settings, self.metrics = settings, Metrics()
        self.keys, self.admins = ApiKeys(settings.api_keys, "API_KEYS"), ApiKeys(settings.admin_keys, "ADMIN_KEYS")
        cache = settings.outbox_dir / MODEL_CACHE
        source = ModelSource(
            settings.model_uri, settings.model_fetch_seconds, settings.git_commit, settings.model_fallback, cache
        )
        open_outbox = outboxes.open_exclusively if settings.outbox_shared else Outbox
        self.outbox = open_outbox(settings.outbox_dir, settings.outbox_sync, settings.outbox_max_bytes)
        self.relay = self._relay(self.outbox)
        replica, send = replica_name(settings.prediction_api_port), self.relay.send if self.relay else None
        self.deployments = Deployments(self.outbox.folder, replica, send, settings.outbox_sync)
        self.model_manager = ModelManager(source, self.metrics, settings.max_records, self.deployments.begin)
        self.predictor = Predictor(self.outbox, self.metrics)
        self.microbatcher = MicroBatcher(self.predictor.predict)
        self._tasks: list[asyncio.Task[None]] = []
        self._watch_outbox()

    async def open(self) -> None:
        """Loads the model and starts what runs beside the requests; raises InvalidModel or FetchFailed.

        A second time changes nothing.
        """
        if self._tasks:
            return
        try:
            await self.deployments.open()
            await self.model_manager.open()
        except BaseException:
            await self.deployments.close()
            await self.outbox.close()
            raise
        works = [self.deployments.run()]
        if self.relay:
            works.append(self.relay.run())
            if self.settings.outbox_shared:
                works.append(self._take_over())
        if self.settings.heartbeat_url:
            works.append(self._send_heartbeats(str(self.settings.heartbeat_url.get_secret_value())))
        if self.settings.model_poll_seconds:
            works.append(self.model_manager.poll(self.settings.model_poll_seconds))
        self._tasks = [asyncio.create_task(work) for work in works]

    async def close(self) -> None:
        """Stops what runs beside the requests, delivers what it can in a few seconds, and closes the outbox."""
        tasks, self._tasks = self._tasks, []
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await self.deployments.close()
            if self.relay:
                await self.relay.close()
        finally:
            await self.outbox.close()

    def checks(self) -> dict[str, dict[str, Any]]:
        """The model and the outbox: whether each of them works, and what it does."""
        models, outbox = self.model_manager, self.outbox
        outbox.probe()
        return {
            "model": {"ok": True, "version": models.current.model.version, "reload": models.failure or "ok"},
            "outbox": {
                "ok": not outbox.full and outbox.failure is None,
                "waiting": outbox.depth,
                "bytes": outbox.size,
                "writing": outbox.failure or ("full" if outbox.full else "ok"),
                "delivery": "off" if self.relay is None else self.relay.failure or "ok",
                "deployments": "off" if self.relay is None else self.deployments.failure or "ok",
            },
        }

    def _relay(self, outbox: Outbox) -> "OutboxRelay | None":
        """The relay of an outbox to the data service; None where no data service is set."""
        if self.settings.data_api_url is None:
            return None
        from prediction_api.outbox.outbox_relay import OutboxRelay

        key = self.settings.data_api_key.get_secret_value() if self.settings.data_api_key else None
        return OutboxRelay(outbox, self.metrics, str(self.settings.data_api_url), key)

    async def _send_heartbeats(self, url: str) -> None:
        from prediction_api.heartbeat import send_heartbeats
        from service_kit.heartbeat import Heartbeat

        await send_heartbeats(Heartbeat(url, "HEARTBEAT_URL"), self.outbox, self.relay)

    async def _take_over(self) -> None:
        """Delivers, for ever, the outboxes of replicas that have ended: else they wait until a replica takes their place."""
        while True:
            await asyncio.sleep(TAKE_OVER_SECONDS)
            for left in outboxes.orphaned_outboxes(self.settings.outbox_dir, self.outbox.folder):
                try:
                    if left.depth and (relay := self._relay(left)):
                        logger.info("delivering what another replica left", extra={"waiting": left.depth})
                        await relay.close()
                finally:
                    await left.close()

    def _watch_outbox(self) -> None:
        watch = self.metrics.watch
        watch("prediction_api_outbox_predictions", "Predictions that wait for the data service", lambda: self.outbox.depth)
        watch("prediction_api_outbox_bytes", "Bytes of the predictions that wait", lambda: self.outbox.size)
        watch(
            "prediction_api_outbox_max_bytes",
            "Bytes that may wait; then requests are refused",
            lambda: self.outbox.most_bytes,
        )
        watch("prediction_api_outbox_age_seconds", "Age of the oldest prediction that waits", self.outbox_age)

    def outbox_age(self) -> float:
        """Seconds since the oldest prediction that waits was made, 0 where none waits."""
        oldest = self.outbox.oldest()
        age = (datetime.now(UTC) - datetime.fromisoformat(oldest)).total_seconds() if oldest else 0.0
        return max(0.0, age)  # clocks are set back at times
