"""The model that answers, and how another takes its place: fetched, checked, warmed, and only then swapped in."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from prediction_api.errors import PredictionApiError
from prediction_api.logs import LOGGER
from prediction_api.metrics import CHANGED, FAILED, UNCHANGED, Metrics
from prediction_api.model.model_source import FetchedModel, Source
from prediction_api.model.onnx_model import OnnxModel

logger = logging.getLogger(LOGGER)


@dataclass(frozen=True)
class LoadedModel:
    """A model, when it came (Unix seconds), and the mark by which its source knows it."""

    model: OnnxModel
    mark: str
    loaded: float
    lineage: dict[str, Any]


class ModelManager:
    """Holds the model that answers. A reader takes ``served`` once per request: a swap never falls into one."""

    def __init__(self, source: Source, metrics: Metrics, most_records: int) -> None:
        self.source, self._metrics, self._most_records = source, metrics, most_records
        self.served: LoadedModel
        self.failure: str | None = None
        self.announce: Callable[[LoadedModel], Awaitable[None]] | None = None  # awaited before another model takes over
        self._reloading = asyncio.Lock()

    async def open(self) -> None:
        """Loads the first model; raises InvalidModel or FetchFailed."""
        arrival, away = await self.source.fetch_first()
        await self._take(arrival)
        if away:
            self._fail(away)

    async def reload(self) -> bool:
        """Looks for another model and takes it; False where it still is the same.

        Raises InvalidModel or FetchFailed where the source has no good one; the old model goes on answering.
        """
        async with self._reloading:
            try:
                arrival = await self.source.fetch(self.served.mark)
                if arrival is not None:
                    await self._take(arrival)
            except Exception as error:
                self._fail(error)
                raise
            self.failure = None
            self._metrics.reload_failing.set(0)
            self._metrics.reloads[CHANGED if arrival else UNCHANGED].inc()
            return arrival is not None

    async def poll(self, seconds: float) -> None:
        """Reloads for ever, at this interval."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await self.reload()
            except PredictionApiError:
                continue  # it is in the log, the metrics and /readyz
            except Exception:
                logger.exception("looking for another model failed")

    def _fail(self, error: Exception) -> None:
        reason, before = str(error) or type(error).__name__, self.failure
        self.failure = reason
        self._metrics.reload_failing.set(1)
        self._metrics.reloads[FAILED].inc()
        if reason != before:  # said once, however often it is seen
            logger.error("the old model goes on answering", extra={"reason": reason, "version": self.served.model.version})

    async def _take(self, arrival: FetchedModel) -> None:
        model = await asyncio.to_thread(OnnxModel, arrival.contract, self._most_records)
        served = LoadedModel(model, arrival.mark, time.time(), arrival.lineage)
        if self.announce:
            await self.announce(served)
        self.served = served
        self._metrics.model.clear()
        self._metrics.model.labels(model.name, model.version).set(1)
        self._metrics.model_loaded.set(self.served.loaded)
        logger.info("a model answers", extra={"model": model.name, "version": model.version, "uri": self.source.shown})
