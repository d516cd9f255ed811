"""Sends a table to both services in the order of time: predictions first, outcomes a day later."""

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

SILENCE_SECONDS = 60  # without a delivery before the replay gives up: the outbox retries after 30 at most
POLL_SECONDS = 1.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PredictionsMissing(OntimeError):
    """The data service lacks predictions or outcomes of the replay, or has predictions of somebody else."""


@dataclass
class Answered:
    """The ids and probabilities of the predictions, in the order of the rows."""

    ids: list[str] = field(default_factory=list)
    probability: list[float] = field(default_factory=list)

    def add(self, answers: Sequence[Mapping[str, Any]]) -> list[str]:
        """Appends the answers of a batch and returns their ids."""
        ids = [answer["prediction_id"] for answer in answers]
        self.ids += ids
        self.probability += [answer["probability"] for answer in answers]
        return ids

    def period(self) -> tuple[datetime, datetime]:
        """From the first millisecond of the predictions to the one after the last, by the clock in their UUIDv7 ids."""
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
    """Predicts day by day; the outcomes of a day are sent after the predictions of the next day."""
    answered, yesterday = Answered(), list[dict[str, bool]]()
    for day in days:
        today = []
        for rows in day.batches:
            part = table.iloc[rows]
            answers = prediction.predict(batches.records(part, data.columns))
            ids = answered.add(answers)
            today.append(dict(zip(ids, part[data.target.name].astype(bool).tolist(), strict=True)))
        _send_outcomes(yesterday, store)
        yesterday = today
        advance()
    _send_outcomes(yesterday, store)
    return answered


def wait_until_settled(answered: Answered, prediction: PredictionService, store: DataService, bins: int) -> dict[str, Any]:
    """GET /performance of the replay, once it counts every prediction and outcome.

    Raises PredictionsMissing where nothing more arrives for SILENCE_SECONDS, or where it counts predictions of others.
    """
    made, last_count, silent_since = len(answered.ids), -1, time.monotonic()
    while True:
        performance = store.performance(*answered.period(), bins)
        arrived, scored = performance["overall"]["predictions"], performance["overall"]["outcomes"]
        if arrived > made:
            raise PredictionsMissing(
                f"The replay made {made:,} predictions; {store.url} counts {arrived:,} in the same period. "
                "Somebody else requested predictions meanwhile: replay again when nobody does."
            )
        if arrived == scored == made:
            return performance
        if arrived + scored != last_count:
            last_count, silent_since = arrived + scored, time.monotonic()
        if time.monotonic() - silent_since >= SILENCE_SECONDS:
            raise PredictionsMissing(
                f"{store.url} should have {made:,} predictions with outcomes; {made - arrived:,} predictions and "
                f"{arrived - scored:,} outcomes of the others are missing, and none arrived for {SILENCE_SECONDS} seconds. "
                f"{prediction.url} reports of its delivery: {prediction.delivery()}. Check its DATA_API_URL."
            )
        time.sleep(POLL_SECONDS)


def _send_outcomes(outcomes: Sequence[Mapping[str, bool]], store: DataService) -> None:
    for batch in outcomes:
        store.record(batch)
