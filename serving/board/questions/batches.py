"""Predicts the subjects that people ask about; questions that come while others are being answered go together.

The features of eight subjects take hardly longer than those of one, and so does the request to the prediction service.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from board.clients.prediction_service import PredictionService
from board.errors import ContentRejected, ServiceUnavailable
from board.questions.lookup import find_row
from board.tracking.source import SECONDS, Record, time_of
from board.tracking.subject_tracker import SubjectTracker
from board.tracking.tables import Snapshot
from pipeline.data.event_log import Key
from service_kit.problems import FieldError, ProblemError


@dataclass(frozen=True)
class Asked:
    """A subject that the columns ``named`` name, as of a moment; by default its official one, or the watermark before."""

    named: Mapping[str, Any]
    as_of: datetime | None


@dataclass(frozen=True)
class Question:
    """A subject that was found, the moment as of which it is predicted, and what the log said then at this position."""

    key: Key
    moment: datetime
    position: int
    record: Record


Answer = tuple[Question, Record]  # with its prediction
Waiting = tuple[SubjectTracker, Asked, "asyncio.Future[Answer]"]


class QuestionBatches:
    """Answers one batch of questions at a time, and all that have come meanwhile in the next."""

    def __init__(self, predictor: PredictionService) -> None:
        self._predictor = predictor
        self._waiting: list[Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def answer(self, tracker: SubjectTracker, asked: Asked) -> Answer:
        """The question with its prediction.

        Raises ProblemError: 404 or 422 for what cannot be asked, 503 where the prediction service does not answer.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((tracker, asked, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._answer_waiting())
        return await future

    async def _answer_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                answers: Sequence[Answer | Exception] = await self._answers(batch[-1][0], [asked for _, asked, _ in batch])
            except Exception as error:
                answers = [error] * len(batch)
            for (*_, future), answer in zip(batch, answers, strict=True):
                if future.done():  # the caller is gone
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    async def _answers(self, tracker: SubjectTracker, asked: Sequence[Asked]) -> list[Answer | Exception]:
        questions = await asyncio.to_thread(_questions, tracker, asked)
        found = [question for question in questions if isinstance(question, Question)]
        predictions = iter(await self._predict(tracker, found) if found else ())
        return [
            _answer(question, next(predictions)) if isinstance(question, Question) else question for question in questions
        ]

    async def _predict(self, tracker: SubjectTracker, questions: Sequence[Question]) -> list[Record | ProblemError]:
        """The prediction of each question; those that are refused together are asked one by one."""
        records, subjects = [question.record for question in questions], [_subject(tracker, one) for one in questions]
        try:
            return list(await self._predictor.predict(records, subjects))
        except (ServiceUnavailable, ContentRejected) as error:
            if isinstance(error, ContentRejected) and len(questions) > 1:
                return [prediction for one in questions for prediction in await self._predict(tracker, [one])]
            return [ProblemError(503, f"The prediction service gave no prediction: {error}.")] * len(questions)


def _answer(question: Question, prediction: Record | ProblemError) -> Answer | Exception:
    return prediction if isinstance(prediction, ProblemError) else (question, prediction)


def _subject(tracker: SubjectTracker, question: Question) -> Record:
    return {
        "prediction_id": None, "subject": tracker.source.subject_text(question.key), "as_of": question.moment.isoformat(),
        "log_position": question.position, "official": False,
    }  # fmt: skip


def _questions(tracker: SubjectTracker, asked: Sequence[Asked]) -> list[Question | ProblemError]:
    """Each question with the features of its subject, or why it cannot be asked."""
    snapshot = tracker.tables.snapshot()
    found = [_find(tracker, snapshot, one) for one in asked]
    rows = [one for one in found if not isinstance(one, ProblemError)]
    minutes = [int(moment.timestamp()) // SECONDS for _, moment in rows]
    places = [place for place, _ in rows]
    records = iter(tracker.source.records_at(snapshot.history, places, minutes) if rows else ())
    return [
        one if isinstance(one, ProblemError) else Question(snapshot.keys[one[0]], one[1], snapshot.position, next(records))
        for one in found
    ]


def _find(tracker: SubjectTracker, snapshot: Snapshot, asked: Asked) -> tuple[int, datetime] | ProblemError:
    """The place of the subject and the moment, or why it cannot be asked."""
    try:
        place = _find_row(tracker, snapshot, asked.named)
        moment = asked.as_of or min(time_of(snapshot.moments[place]), snapshot.watermark)
        _check_moment(tracker, moment, snapshot.watermark, is_default=asked.as_of is None)
    except ProblemError as error:
        return error
    return place, moment


def _find_row(tracker: SubjectTracker, snapshot: Snapshot, named: Mapping[str, Any]) -> int:
    """The place of the subject; raises ProblemError, which says of an unknown one since when the board knows any."""
    try:
        return find_row(tracker.source, snapshot, named)
    except ProblemError as error:
        if error.status_code != HTTPStatus.NOT_FOUND or (since := tracker.tables.kept_since) is None:
            raise
        raise ProblemError(
            404,
            f"{error.detail} The board has forgotten {tracker.source.live.TABLE} without an event since {since.isoformat()},"
            " whose official predictions the data service keeps (GET /predictions?subject=...).",
        ) from error


def _check_moment(tracker: SubjectTracker, moment: datetime, watermark: datetime, is_default: bool) -> None:
    """Raises ProblemError (422) for a moment outside what the board knows."""
    earliest = tracker.earliest
    if earliest <= moment <= watermark:
        return
    wanted = f"a moment from {earliest.isoformat()} to {watermark.isoformat()}, the watermark of the log"
    given = f"{moment.isoformat()}{', the moment of its official prediction' if is_default else ''}"
    raise ProblemError(
        422, "The log as the board holds it does not say what was known then.", [FieldError("as_of", wanted, given)]
    )
