"""The official predictions: one for each subject, as of its moment, once the watermark has passed that moment."""

import asyncio
import hashlib
import logging
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from pydantic_core import to_json

from board.clients.prediction_service import PredictionService
from board.errors import ContentRejected, ModelChanged
from board.metrics import Metrics
from board.tracking.source import SECONDS, Record, Source, time_of
from board.tracking.tables import Tables
from pipeline.data.event_log import Key

MOST_RECORDS = 500  # of one request
RECORD = re.compile(r"records\[(\d+)\]")  # a field in the prediction service's problem: the place of a record
MILLISECONDS = 1000
VERSION_AND_VARIANT, VERSION_7 = 0xF << 76 | 0x3 << 62, 7 << 76 | 2 << 62  # of a UUID (RFC 9562)
RANDOM_BITS = ((1 << 80) - 1) & ~VERSION_AND_VARIANT
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Official:
    """The official prediction of a subject; the moment is in minutes since 1970."""

    prediction_id: str
    moment: int
    probability: float
    label: bool
    threshold: float
    model_version: str

    def as_json(self) -> Record:
        """The prediction as the board shows it, with its moment as ``as_of``."""
        values = asdict(self)
        return {"prediction_id": values.pop("prediction_id"), "as_of": time_of(values.pop("moment")), **values}


class Officials:
    """Which subjects have their official prediction, which wait for their moment, and the predictions of those that are due.

    Subjects whose moment is before ``since`` get none.
    """

    def __init__(
        self, source: Source, tables: Tables, predictor: PredictionService, metrics: Metrics, since: datetime
    ) -> None:
        self._source, self._tables, self._predictor, self._metrics = source, tables, predictor, metrics
        self._since = since.timestamp() / SECONDS
        self.pending: dict[Key, int] = {}  # the moments of subjects without one
        self.made: dict[Key, Official] = {}
        self.model_version: str | None = None  # the one that answered last
        self._refused: dict[Key, int] = {}  # the moments of subjects whose features the model did not take
        self._most_records = MOST_RECORDS

    def restore(self, stored: Sequence[Mapping[str, Any]]) -> None:
        """Takes up official predictions that the data service has."""
        for prediction in stored:
            key = self._source.key_of_text(prediction["subject"])
            self.made[key] = _official(prediction, int(datetime.fromisoformat(prediction["as_of"]).timestamp()) // SECONDS)

    def schedule(self, touched: Collection[Key]) -> None:
        """Works out the moments of subjects that are new, or that events have changed."""
        keys, rows = self._tables.subject_rows([key for key in touched if key not in self.made and key not in self._refused])
        for key, moment in zip(keys, self._source.moments(rows), strict=True):
            self.pending.pop(key, None)
            if moment >= self._since:
                self.pending[key] = moment

    def due(self, before: datetime) -> list[Key]:
        """The subjects that wait and whose moment is before this one, in the order of moments."""
        end = before.timestamp() / SECONDS
        pending = self.pending.copy()  # a thread may be changing it, also while list(items()) makes its pairs
        return [key for key, moment in sorted(pending.items(), key=itemgetter(1)) if moment < end]

    async def predict_due(self, before: datetime) -> list[Key]:
        """Predicts every subject whose moment is before this one, and gives them; a few may have been refused."""
        due = self.due(before)
        for start in range(0, len(due), MOST_RECORDS):
            self._metrics.due.set(len(due) - start)
            await self._predict(due[start : start + MOST_RECORDS])
        self._metrics.due.set(0)
        return due

    async def _predict(self, keys: Sequence[Key]) -> None:
        position, records = await asyncio.to_thread(self._records, keys)
        entries = [(key, record, self._subject(key, position)) for key, record in zip(keys, records, strict=True)]
        while entries:
            part = entries[: self._most_records]
            try:
                predictions = await self._predictor.until_answered(lambda: self._send(part))  # noqa: B023 # awaited here
            except ContentRejected as error:
                await self._check_model()
                entries = self._without_refused(entries, len(part), error)
                continue
            for (key, *_), prediction in zip(part, predictions, strict=True):
                self.made[key] = _official(prediction, self.pending.pop(key))
                self.model_version = prediction["model_version"]
            self._metrics.official.inc(len(part))
            entries = entries[len(part) :]

    def _records(self, keys: Sequence[Key]) -> tuple[int, list[Record]]:
        snapshot = self._tables.snapshot()
        _, rows = self._tables.subject_rows(keys)
        return snapshot.position, self._source.records(snapshot.history, rows, [self.pending[key] for key in keys])

    def _subject(self, key: Key, position: int) -> Record:
        text, moment = self._source.subject_text(key), time_of(self.pending[key])
        return {
            "prediction_id": str(official_id(self._source.data_set, text, moment)),
            "subject": text, "as_of": moment.isoformat(), "log_position": position, "official": True,
        }  # fmt: skip

    async def _send(self, entries: Sequence[tuple[Key, Record, Record]]) -> list[Record]:
        return await self._predictor.predict([record for _, record, _ in entries], [subject for *_, subject in entries])

    async def _check_model(self) -> None:
        """Raises ModelChanged where another model answers by now, which may take other features."""
        version = (await self._predictor.until_answered(self._predictor.model))["version"]
        if version != self._source.model_version:
            raise ModelChanged(
                f"Model {version} answers, where the features are those of model {self._source.model_version}"
            )

    def _without_refused(
        self, entries: list[tuple[Key, Record, Record]], sent: int, error: ContentRejected
    ) -> list[tuple[Key, Record, Record]]:
        """The entries without those of the first ``sent`` that the prediction service refuses by their place.

        Where it names none, the request may have been too large, and fewer are sent from then on. Raises the error for one.
        """
        places = {int(match[1]) for field in error.fields if (match := RECORD.match(field))}
        if not places:
            if sent == 1:
                raise error
            self._most_records = sent // 2
            return entries
        refused = [entries[place] for place in sorted(places) if place < len(entries)]
        for key, *_ in refused:
            self._refused[key] = self.pending.pop(key)
        self._metrics.refused.inc(len(refused))
        subjects = [self._source.subject(key) for key, *_ in refused[:5]]
        extra = {"count": len(refused), "first": subjects, "reason": str(error)}
        logger.error("the model does not take the features of these subjects, which get no official prediction", extra=extra)
        return [entry for place, entry in enumerate(entries) if place not in places]

    def forget(self, until: datetime) -> None:
        """Forgets predictions whose moment was before this one; from now on no subject of such a moment gets one."""
        end = until.timestamp() / SECONDS
        self._since = max(self._since, end)
        self.made = {key: official for key, official in self.made.items() if official.moment >= end}
        self._refused = {key: moment for key, moment in self._refused.items() if moment >= end}


def official_id(data_set: str, subject: str, moment: datetime) -> UUID:
    """The id of a subject's official prediction: a UUID of version 7 at its moment, whose other bits come from the three.

    The model is not among them: one that changes between two attempts does not give a subject two predictions.
    """
    content = to_json([data_set, subject, moment.isoformat()])
    random = int.from_bytes(hashlib.sha256(content).digest()) & RANDOM_BITS
    return UUID(int=round(moment.timestamp() * MILLISECONDS) << 80 | random | VERSION_7)


def _official(prediction: Mapping[str, Any], moment: int) -> Official:
    shared = ("prediction_id", "probability", "label", "threshold", "model_version")
    return Official(moment=moment, **{name: prediction[name] for name in shared})
