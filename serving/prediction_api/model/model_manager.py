"""The model that answers, and its replacement by another one, which is fetched, checked and warmed first."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from prediction_api.errors import InvalidModel, PredictionApiError
from prediction_api.logs import LOGGER
from prediction_api.metrics import CHANGED, FAILED, UNCHANGED, Metrics
from prediction_api.model.model_source import FetchedModel, ModelSource
from prediction_api.model.onnx_model import OnnxModel

logger = logging.getLogger(LOGGER)


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory, the mark that names it for its source, when it was loaded (Unix seconds), and its lineage."""

    model: OnnxModel
    mark: str
    loaded: float
    lineage: dict[str, Any]


Announce = Callable[[LoadedModel], Awaitable[None]]


class ModelManager:
    """Holds the model that answers. A request reads ``current`` once, so that one model answers all of it."""

    def __init__(self, source: ModelSource, metrics: Metrics, most_records: int, announce: Announce | None = None) -> None:
        """``announce`` is awaited before a model begins to answer."""
        self.source, self._metrics, self._most_records, self._announce = source, metrics, most_records, announce
        self._current: LoadedModel | None = None
        self.failure: str | None = None
        self._reloading = asyncio.Lock()

    @property
    def current(self) -> LoadedModel:
        """The model that answers; raises InvalidModel before ``open``."""
        if self._current is None:
            raise InvalidModel(f"{self.source.shown} should be loaded before anybody asks for the model; it is not.")
        return self._current

    async def open(self) -> None:
        """Loads the first model; raises InvalidModel or FetchFailed."""
        fetched, failure = await self.source.fetch_first()
        await self._replace(fetched)
        if failure:
            self._record_failure(failure)

    async def reload(self) -> bool:
        """Fetches the model that is there now and lets it answer; False where it still is the same.

        Raises InvalidModel or FetchFailed where the source has no valid one; the old model goes on answering.
        """
        async with self._reloading:
            try:
                fetched = await self.source.fetch(self.current.mark)
                if fetched is not None:
                    await self._replace(fetched)
            except Exception as error:
                self._record_failure(error)
                raise
            self.failure = None
            self._metrics.reload_failing.set(0)
            self._metrics.reloads[CHANGED if fetched else UNCHANGED].inc()
            return fetched is not None

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

    def _record_failure(self, error: Exception) -> None:
        reason, previous_reason = str(error) or type(error).__name__, self.failure
        self.failure = reason
        self._metrics.reload_failing.set(1)
        self._metrics.reloads[FAILED].inc()
        if reason != previous_reason:  # each poll fails for the same reason
            logger.error("the old model goes on answering", extra={"reason": reason, "version": self.current.model.version})

    async def _replace(self, fetched: FetchedModel) -> None:
        model = await asyncio.to_thread(OnnxModel, fetched.artifact, self._most_records)
        loaded = LoadedModel(model, fetched.mark, time.time(), fetched.lineage)
        if self._announce:
            await self._announce(loaded)
        self._current = loaded
        self._metrics.model.clear()
        self._metrics.model.labels(model.name, model.version).set(1)
        self._metrics.model_loaded.set(loaded.loaded)
        logger.info("a model answers", extra={"model": model.name, "version": model.version, "uri": self.source.shown})
