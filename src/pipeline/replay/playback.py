"""Sends a table to both services in the order of time: predictions first, outcomes a day later."""

import time
from collections.abc import Callable, Mapping, Sequence
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


Answers = Sequence[Mapping[str, Any]]


def replay(
    table: pd.DataFrame,
    data: Dataset,
    days: Sequence[batches.Day],
    prediction: PredictionService,
    store: DataService,
    advance: Callable[[], None] = lambda: None,
) -> Answers:
    """The predictions in the order of the rows, made day by day; the outcomes of a day are sent after the next day's."""
    answers, yesterday = list[Mapping[str, Any]](), list[dict[str, bool]]()
    for day in days:
        today = []
        for rows in day.batches:
            part = table.iloc[rows]
            batch = prediction.predict(batches.records(part, data.columns))
            answers += batch
            ids = [answer["prediction_id"] for answer in batch]
            today.append(dict(zip(ids, part[data.target.name].astype(bool).tolist(), strict=True)))
        for outcomes in yesterday:
            store.record(outcomes)
        yesterday = today
        advance()
    for outcomes in yesterday:
        store.record(outcomes)
    return answers


def wait_until_settled(answers: Answers, prediction: PredictionService, store: DataService, bins: int) -> dict[str, Any]:
    """GET /performance of the replay, once it counts every prediction and outcome.

    Raises PredictionsMissing where nothing more arrives for SILENCE_SECONDS, or where it counts predictions of others.
    """
    made, last_count, silent_since = len(answers), -1, time.monotonic()
    while True:
        performance = store.performance(*_period(answers), bins)
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


def _period(answers: Answers) -> tuple[datetime, datetime]:
    """From the first millisecond of the predictions to the one after the last, by the clock in their UUIDv7 ids."""
    times = [EPOCH + timedelta(milliseconds=UUID(answer["prediction_id"]).int >> 80) for answer in answers]
    return min(times), max(times) + timedelta(milliseconds=1)
