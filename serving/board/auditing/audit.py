"""Works the features of stored official predictions out again from the log, and compares.

Features that differ from those of the log as it stood, up to the position that the prediction names, are a fault: online and
offline do not agree. Features that differ only from those of the log as it stands now are due to facts that came late.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from board.clients.data_service import DataService
from board.clients.prediction_service import PredictionService
from board.errors import ContentRejected, ServiceUnavailable
from board.tracking.source import SECONDS, Record, Source
from board.tracking.tables import Snapshot, Tables

MOST_RECORDS = 500  # of one request
MOST_SHOWN = 5
Stored = Mapping[str, Any]  # an official prediction as the data service has it


@dataclass
class AuditResult:
    """What an audit found: how many predictions it ``compared``, and those whose features differ."""

    compared: int = 0
    other_models: int = 0  # predictions of other models, whose columns may be others
    mismatches: list[Record] = field(default_factory=list)  # differ from the log as it stood
    late: list[Record] = field(default_factory=list)  # differ from the log as it stands, because facts came late
    moves: list[float] = field(default_factory=list)  # of the probabilities of the late ones

    def sentence(self) -> str:
        """The result in words."""
        move = f" (their probabilities would move by up to {max(self.moves):.3f})" if self.moves else ""
        others = f" {self.other_models:,} predictions of other models were left out." if self.other_models else ""
        return (
            f"The features of {len(self.mismatches):,} of {self.compared:,} official predictions differ from the log as it "
            f"stood; the features of {len(self.late):,} would differ today, because facts came late{move}.{others}"
        )


class Audit:
    """Compares the official predictions of a period with the log."""

    def __init__(self, source: Source, data_service: DataService, predictor: PredictionService) -> None:
        self._source, self._data_service, self._predictor = source, data_service, predictor

    async def run(self, since: datetime, until: datetime) -> AuditResult:
        """The result for the predictions whose moments are in a period; asks the services until they answer."""
        data_service = self._data_service
        stored = await data_service.until_answered(lambda: data_service.official_predictions(since, until))
        own = [prediction for prediction in stored if prediction["model_version"] == self._source.model_version]
        result = AuditResult(len(own), len(stored) - len(own))
        if own:
            oldest = min(_moment(prediction) for prediction in own)
            position = (await data_service.until_answered(data_service.log_state))["position"]
            async for snapshot, tables in self._states(oldest, [position]):
                now = await asyncio.to_thread(self._records, snapshot, tables, own)
            differing = {
                prediction["prediction_id"]: record
                for prediction, record in zip(own, now, strict=True)
                if record != prediction["features"]
            }
            await self._explain([p for p in own if p["prediction_id"] in differing], differing, oldest, result)
        return result

    async def _explain(
        self, predictions: Sequence[Stored], now: Mapping[str, Record | None], oldest: datetime, result: AuditResult
    ) -> None:
        """Compares predictions whose features differ today with the log as it stood when they were made."""
        positions = sorted({prediction["log_position"] for prediction in predictions})
        if not positions:
            return
        late = []
        async for snapshot, tables in self._states(oldest, positions):
            made = [prediction for prediction in predictions if prediction["log_position"] == snapshot.position]
            records = await asyncio.to_thread(self._records, snapshot, tables, made)
            for prediction, record in zip(made, records, strict=True):
                if record == prediction["features"]:
                    late.append(prediction)
                else:
                    result.mismatches.append(_difference(prediction, record))
        result.late = [_difference(prediction, now[prediction["prediction_id"]]) for prediction in late]
        result.moves = await self._moves([(p, record) for p in late if (record := now[p["prediction_id"]])])

    async def _states(self, oldest: datetime, positions: Sequence[int]) -> AsyncIterator[tuple[Snapshot, Tables]]:
        """What the log said at each of these positions, in rising order, to moments from ``oldest`` on."""
        live, tables, waiting = self._source.live, Tables(self._source), list(positions)
        whole = [name for name, days in live.LOOK_BACK_DAYS.items() if days is None]
        for name in whole:
            async for page in self._data_service.events_until(positions[0], table=name):
                await asyncio.to_thread(tables.apply, page, False)
        days = max(days for days in live.LOOK_BACK_DAYS.values() if days is not None)
        since = (oldest - timedelta(days=days)).isoformat()
        async with aclosing(self._data_service.events_until(positions[-1], **{"from": since})) as pages:
            async for page in pages:
                entries = [entry for entry in page if entry[1].table not in whole or entry[0] > positions[0]]
                while entries and entries[-1][0] > waiting[0]:
                    before = [entry for entry in entries if entry[0] <= waiting[0]]
                    entries = entries[len(before) :]
                    yield await self._state(tables, before, waiting.pop(0)), tables
                await asyncio.to_thread(tables.apply, entries, False)
        for position in waiting:
            yield await self._state(tables, [], position), tables

    async def _state(self, tables: Tables, entries: Sequence[Any], position: int) -> Snapshot:
        await asyncio.to_thread(tables.apply, entries, False)
        tables.position = position
        return await asyncio.to_thread(tables.snapshot)

    def _records(self, snapshot: Snapshot, tables: Tables, predictions: Sequence[Stored]) -> list[Record | None]:
        """The features of these predictions, None where the log knows no such subject."""
        keys = [self._source.key_of_text(prediction["subject"]) for prediction in predictions]
        moments = [int(_moment(prediction).timestamp()) // SECONDS for prediction in predictions]
        known, rows = tables.subject_rows(keys)
        complete = set(known)
        places = [place for place, key in enumerate(keys) if key in complete]
        records: list[Record | None] = [None] * len(predictions)
        if known:
            of_known = self._source.records(snapshot.history, rows, [moments[place] for place in places])
            for place, record in zip(places, of_known, strict=True):
                records[place] = record
        return records

    async def _moves(self, late: Sequence[tuple[Stored, Record]]) -> list[float]:
        """By how much the probabilities would have moved, had the facts come in time."""
        moves: list[float] = []
        for start in range(0, len(late), MOST_RECORDS):
            part = late[start : start + MOST_RECORDS]
            shared = ("subject", "as_of", "log_position")
            subjects = [
                {**{name: stored[name] for name in shared}, "prediction_id": None, "official": False} for stored, _ in part
            ]
            try:
                predictions = await self._predictor.predict([record for _, record in part], subjects)
            except (ServiceUnavailable, ContentRejected):
                return moves
            moves += [
                abs(prediction["probability"] - stored["probability"])
                for (stored, _), prediction in zip(part, predictions, strict=True)
            ]
        return moves


def _moment(prediction: Stored) -> datetime:
    return datetime.fromisoformat(prediction["as_of"])


def _difference(prediction: Stored, record: Record | None) -> Record:
    """What differs: the values that were stored, beside those of the log."""
    features = prediction["features"]
    names = [name for name in features if record is None or record.get(name) != features[name]]
    columns = {name: [features[name], record and record.get(name)] for name in names[:MOST_SHOWN]}
    return {"prediction_id": prediction["prediction_id"], "subject": prediction["subject"], "columns": columns}
