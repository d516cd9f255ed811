"""Plays a table to both services as time would: predictions first, what came true a day later, and then the waiting."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pandas as pd

from pipeline.clients.services import DataService, PredictionService
from pipeline.config.settings import Dataset
from pipeline.replay import batches
from pipeline.support.errors import OntimeError

SILENCE_SECONDS = 60  # that the outbox may deliver nothing: it tries again after 30 at most
POLL_SECONDS = 1.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PredictionsMissing(OntimeError):
    """Not all predictions and outcomes of the replay arrived in the data service, or others came between."""


@dataclass
class Answered:
    """The answers, in the order of the rows."""

    ids: list[str] = field(default_factory=list)
    probability: list[float] = field(default_factory=list)

    def take(self, answers: Sequence[Mapping[str, Any]]) -> list[str]:
        """Keeps the answers of a batch and gives their ids."""
        ids = [answer["prediction_id"] for answer in answers]
        self.ids += ids
        self.probability += [answer["probability"] for answer in answers]
        return ids

    def period(self) -> tuple[datetime, datetime]:
        """The first millisecond of the predictions and the one after the last, on the clock of who made them."""
        first, last = (EPOCH + timedelta(milliseconds=UUID(name).int >> 80) for name in (min(self.ids), max(self.ids)))
        return first, last + timedelta(milliseconds=1)


def replay(
    table: pd.DataFrame,
    data: Dataset,
    days: Sequence[batches.Day],
    prediction: PredictionService,
    store: DataService,
    advance: Callable[[], None] = lambda: None,
) -> Answered:
    """Predicts day after day; what came true on a day is told after the predictions of the next."""
    answered, yesterday = Answered(), list[dict[str, bool]]()
    for day in days:
        today = []
        for rows in day.batches:
            part = table.iloc[rows]
            answers = prediction.predict(batches.records(part, data.columns))
            ids = answered.take(answers)
            today.append(dict(zip(ids, part[data.target.name].astype(bool).tolist(), strict=True)))
        _tell(yesterday, store)
        yesterday = today
        advance()
    _tell(yesterday, store)
    return answered


def settled(answered: Answered, prediction: PredictionService, store: DataService, bins: int) -> dict[str, Any]:
    """GET /performance of the replay, once it counts every prediction and outcome.

    Raises PredictionsMissing where nothing more arrives for SILENCE_SECONDS, or where it counts predictions of others.
    """
    wanted, before, silent_since = len(answered.ids), -1, time.monotonic()
    while True:
        performance = store.performance(*answered.period(), bins)
        arrived, known = performance["overall"]["predictions"], performance["overall"]["outcomes"]
        if arrived > wanted:
            raise PredictionsMissing(
                f"The replay made {wanted:,} predictions; in its time {store.url} counts {arrived:,}. "
                "Somebody else predicted meanwhile: replay again when nobody does."
            )
        if arrived == known == wanted:
            return performance
        if arrived + known != before:
            before, silent_since = arrived + known, time.monotonic()
        if time.monotonic() - silent_since >= SILENCE_SECONDS:
            raise PredictionsMissing(
                f"{store.url} should have {wanted:,} predictions with outcomes; {wanted - arrived:,} predictions and "
                f"{arrived - known:,} outcomes of the others are missing, and none came for {SILENCE_SECONDS} seconds. "
                f"{prediction.url} says of its delivery: {prediction.delivery()}. Do both know the same data service?"
            )
        time.sleep(POLL_SECONDS)


def _tell(outcomes: Sequence[Mapping[str, bool]], store: DataService) -> None:
    for batch in outcomes:
        store.record(batch)
