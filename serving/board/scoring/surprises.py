"""The predictions of a day that were furthest from what came true, with their reasons."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import from_json

from board.clients.data_service import DataService
from board.clients.prediction_service import PredictionService
from board.errors import ContentRejected, ServiceUnavailable
from board.scoring.live_scores import FRESH_SECONDS, KEPT_SECONDS, Day

SHOWN = 5  # that came true, and as many that did not
MOST_DAYS = 100  # that are kept
Stored = Mapping[str, Any]  # a prediction as the data service has it


@dataclass(frozen=True)
class Surprise:
    """A prediction that was far from its outcome, and the topics of columns that made it; none if ``why_not`` says why."""

    prediction: Stored
    topics: tuple[Mapping[str, Any], ...]
    why_not: str | None = None

    @property
    def subject(self) -> Mapping[str, Any] | None:
        """The columns that name the subject; None for a prediction about a record alone."""
        text = self.prediction["subject"]
        subject: Mapping[str, Any] | None = from_json(text) if text else None
        return subject


class Surprises:
    """Looks each day's up once, and asks for their reasons; nothing of it is stored."""

    def __init__(self, data_service: DataService, predictor: PredictionService) -> None:
        self._data_service, self._predictor = data_service, predictor
        self._kept: dict[Day, tuple[float, list[Surprise]]] = {}

    async def of(self, day: Day, complete_until: datetime, model_version: str | None) -> list[Surprise]:
        """The most surprising predictions of a day, explained by the model that answers where it is the one that made them.

        Raises ServiceUnavailable or ContentRejected where the predictions cannot be read.
        """
        expires_at, surprises = self._kept.get(day, (0.0, []))
        if expires_at < time.monotonic():
            lines = await self._data_service.predictions(day.since, day.until)
            predictions = await asyncio.to_thread(_most_surprising, lines)
            surprises = await self._explain(predictions, model_version)
            is_final = day.until <= complete_until and not any(surprise.why_not for surprise in surprises)
            self._kept[day] = time.monotonic() + (KEPT_SECONDS if is_final else FRESH_SECONDS), surprises
            while len(self._kept) > MOST_DAYS:
                del self._kept[next(iter(self._kept))]
        return surprises

    def kept(self, day: Day) -> list[Surprise]:
        """What was looked up of a day before, however long ago; nothing where it was not."""
        _, surprises = self._kept.get(day, (0.0, []))
        return surprises

    async def _explain(self, predictions: list[Stored], model_version: str | None) -> list[Surprise]:
        own = [prediction for prediction in predictions if prediction["model_version"] == model_version]
        try:
            answers = await self._predictor.explain([prediction["features"] for prediction in own]) if own else []
            why_not = f"Model {model_version} answers now, and knows no reasons of another model's predictions."
        except (ServiceUnavailable, ContentRejected) as error:
            answers, why_not = [], f"There are no reasons: {error}."
        topics = {
            prediction["prediction_id"]: tuple(answer["reasons"]["topics"])
            for prediction, answer in zip(own, answers, strict=False)
        }
        return [
            Surprise(prediction, topics[name]) if (name := prediction["prediction_id"]) in topics
            else Surprise(prediction, (), why_not)
            for prediction in predictions
        ]  # fmt: skip


def _most_surprising(lines: bytes) -> list[Stored]:
    """The least expected that came true, then those that did not; of subjects only official predictions count."""
    predictions = [from_json(line) for line in lines.splitlines()]
    scored = [prediction for prediction in predictions if prediction["official"] is not False]
    return [
        prediction
        for outcome in (True, False)
        for prediction in sorted(
            (prediction for prediction in scored if prediction["outcome"] is outcome),
            key=lambda prediction: -abs(prediction["probability"] - prediction["outcome"]),
        )[:SHOWN]
    ]
