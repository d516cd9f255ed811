"""Sends a table to both services in the order of time: predictions first, outcomes a day later."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pandas as pd

from pipeline.clients.services import DataService, PredictionService, while_away
from pipeline.config.settings import Dataset
from pipeline.replay import batches
from pipeline.support.errors import OntimeError

SILENCE_SECONDS = 60  # without a delivery before the replay gives up: the outbox retries after 30 at most
POLL_SECONDS, POLL_SHARE = 1.0, 3  # to wait between two looks, and how many times as long as a look took
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


def wait_for_answers(answers: Answers, prediction: PredictionService, store: DataService, bins: int) -> dict[str, Any]:
    """GET /performance of these predictions. Raises PredictionsMissing, also where it counts predictions of others."""

    def state() -> str:
        return f"{prediction.url} reports of its delivery: {prediction.delivery()}. Check its DATA_API_URL."

    made = len(answers)
    performance = wait_until_settled(made, made, _period(answers), store, bins, state)
    if (arrived := performance["overall"]["predictions"]) > made:
        raise PredictionsMissing(
            f"The replay made {made:,} predictions; {store.url} counts {arrived:,} in the same period. "
            "Somebody else requested predictions meanwhile: replay again when nobody does."
        )
    return performance


def wait_until_settled(
    predictions: int,
    outcomes: int,
    period: tuple[datetime, datetime],
    store: DataService,
    bins: int,
    state: Callable[[], str],
    advance: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """GET /performance of a period, once it counts as many predictions and outcomes; advances by each prediction.

    Raises PredictionsMissing, with the ``state`` of what should make them, where nothing more arrives for SILENCE_SECONDS.
    """
    last, silent_since, counted = (-1, -1), time.monotonic(), 0
    while True:
        asked = time.monotonic()
        performance = while_away(SILENCE_SECONDS)(store.performance, *period, bins)
        arrived, scored = performance["overall"]["predictions"], performance["overall"]["outcomes"]
        for _ in range(counted, min(arrived, predictions)):
            advance()
        counted = max(counted, arrived)
        if arrived >= predictions and scored >= outcomes:
            return performance
        if (arrived, scored) != last:
            last, silent_since = (arrived, scored), time.monotonic()
        if time.monotonic() - silent_since >= SILENCE_SECONDS:
            raise PredictionsMissing(
                f"{store.url} should have {predictions:,} predictions and {outcomes:,} outcomes; {predictions - arrived:,} "
                f"predictions and {outcomes - scored:,} outcomes are missing, and none arrived for {SILENCE_SECONDS} "
                f"seconds. {state()}"
            )
        time.sleep(max(POLL_SECONDS, POLL_SHARE * (time.monotonic() - asked)))


def _period(answers: Answers) -> tuple[datetime, datetime]:
    """From the first millisecond of the predictions to the one after the last, by the clock in their UUIDv7 ids."""
    times = [EPOCH + timedelta(milliseconds=UUID(answer["prediction_id"]).int >> 80) for answer in answers]
    return min(times), max(times) + timedelta(milliseconds=1)
