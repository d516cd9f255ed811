"""Micro-batches: requests that arrive together share one run of the graph and one append to the outbox.

The event loop hands over all requests that it finds readable before it runs what they scheduled: the first one schedules the
answer of all. No request waits for others: one that arrives alone is answered alone, at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from prediction_api.model.onnx_model import OnnxModel
from prediction_api.model.record_reader import Record

PredictionRequest = tuple[Record, str | None]
Answer = dict[str, Any]
Predict = Callable[[OnnxModel, Sequence[PredictionRequest]], Awaitable[list[Answer]]]


class MicroBatcher:
    """Collects records until the next turn of the event loop, and has them answered together."""

    def __init__(self, predict_together: Predict) -> None:
        self._predict_together = predict_together
        self._waiting: dict[OnnxModel, list[tuple[PredictionRequest, asyncio.Future[Answer]]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def predict(self, model: OnnxModel, record: Record, caller: str | None) -> asyncio.Future[Answer]:
        """The answer to one record, once it is in the outbox."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._start)
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.setdefault(model, []).append(((record, caller), future))
        return future

    def _start(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for model, batch in waiting.items():  # more than one only while another model takes over
            task = asyncio.create_task(self._run(model, batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, model: OnnxModel, batch: Sequence[tuple[PredictionRequest, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._predict_together(model, [request for request, _ in batch])
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():  # a caller who has left cancelled it
                future.set_result(answer)
