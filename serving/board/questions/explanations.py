"""The reasons of predictions that pages show: asked for beside the requests, a few at a time, and kept.

The reasons of a prediction cost the prediction service as much as hundreds of predictions. So they are asked for with
pauses, during which it answers others, and for those alone that a page shows.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from typing import Any

from board.clients.prediction_service import PredictionService
from board.errors import BoardError, ContentRejected, ServiceUnavailable
from board.tracking.source import Record
from board.tracking.subject_tracker import SubjectTracker
from pipeline.data.event_log import Key

AT_ONCE = 16  # records of one request: it takes the prediction service some 20 ms
REST = 3.0  # a pause takes so many times as long as the request before it
MOST_KEPT = 20_000
Wanted = tuple[Key, int]  # a subject, and the moment of its prediction in minutes since 1970
logger = logging.getLogger(__name__)


class Explanations:
    """Reasons by subject: the record of the columns, the typical probability, and what each topic contributes."""

    def __init__(self, predictor: PredictionService) -> None:
        self._predictor = predictor
        self._kept: dict[Wanted, Record] = {}
        self._newest: dict[Key, Record] = {}
        self._wanted: list[Wanted] = []
        self._task: asyncio.Task[None] | None = None
        self._model_version: str | None = None
        self.refusal: str | None = None  # why the model that answers gives no reasons

    def of(self, tracker: SubjectTracker, wanted: Iterable[Wanted]) -> dict[Key, Record]:
        """The reasons of predictions as far as they are here, or of an earlier one of the subject; asks for the others."""
        self._begin(tracker)
        wanted = list(wanted)
        self._wanted = [one for one in wanted if one not in self._kept]
        if self._wanted and self.refusal is None and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._fill(tracker))
        found = {key: self._kept.get((key, moment)) or self._newest.get(key) for key, moment in wanted}
        return {key: reasons for key, reasons in found.items() if reasons}

    async def explain(self, tracker: SubjectTracker, key: Key, moment: int) -> Record:
        """The reasons of one prediction; raises ServiceUnavailable, or ContentRejected where the model gives none."""
        self._begin(tracker)
        if (key, moment) not in self._kept:
            await self._ask(tracker, [(key, moment)])
        if reasons := self._kept.get((key, moment)):
            return reasons
        raise ServiceUnavailable("the log as the board holds it does not say what was known then")

    async def close(self) -> None:
        """Ends what is under way."""
        if self._task:
            self._task.cancel()

    def _begin(self, tracker: SubjectTracker) -> None:
        if tracker.source.model_version != self._model_version:
            self._model_version, self.refusal = tracker.source.model_version, None
            self._kept, self._newest = {}, {}

    async def _fill(self, tracker: SubjectTracker) -> None:
        while self._wanted:
            batch, self._wanted = self._wanted[:AT_ONCE], self._wanted[AT_ONCE:]
            start = time.monotonic()
            try:
                await self._ask(tracker, batch)
            except ContentRejected as error:
                self.refusal = str(error)
            except BoardError:  # which /readyz shows; the next page asks again
                return
            except Exception:
                logger.exception("reasons could not be worked out")
                return
            if self.refusal:
                return
            await asyncio.sleep(REST * (time.monotonic() - start))

    async def _ask(self, tracker: SubjectTracker, wanted: Sequence[Wanted]) -> None:
        known, records = await asyncio.to_thread(_records, tracker, wanted)
        if len(self._kept) > MOST_KEPT:
            self._kept, self._newest = {}, {}
        for one, record, prediction in zip(known, records, await self._predictor.explain(records), strict=True):
            answer = {"record": record, "probability": prediction["probability"], **prediction["reasons"]}
            self._kept[one] = self._newest[one[0]] = answer


def _records(tracker: SubjectTracker, wanted: Sequence[Wanted]) -> tuple[list[Wanted], list[dict[str, Any]]]:
    """The columns of subjects as of their moments; of those alone that the log still has."""
    snapshot = tracker.tables.snapshot()
    moments = dict(wanted)
    keys, rows = tracker.tables.subject_rows(list(moments))
    known = [(key, moments[key]) for key in keys]
    return known, tracker.source.records(snapshot.history, rows, [moment for _, moment in known])
