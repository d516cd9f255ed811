"""The scores of each day, asked of the data service: a day whose outcomes are all in is asked for once."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from board.clients.data_service import DataService
from board.errors import ServiceUnavailable
from board.scoring.day_scores import DayScores, day_scores

ONE_DAY = timedelta(days=1)
FRESH_SECONDS = 10.0  # how long the scores of a day are shown whose outcomes still come in
KEPT_SECONDS = 3600.0  # and those of a day that is over: a month may be dropped from the database
AT_ONCE = 4  # requests
PATIENCE_SECONDS = 3.0  # with each
AWAY = f"the data service does not answer within {PATIENCE_SECONDS:g} seconds"
MOST_DAYS = 1000  # that are kept
Answer = TypeVar("Answer")
Question = tuple[str, str | None]  # the data set, and what its models predict


@dataclass(frozen=True)
class Day:
    """A day on a clock, from its midnight to the next."""

    date: date
    zone: ZoneInfo

    @property
    def since(self) -> datetime:
        """Its first moment."""
        return datetime(self.date.year, self.date.month, self.date.day, tzinfo=self.zone)

    @property
    def until(self) -> datetime:
        """The first moment of the next day."""
        return Day(self.date + ONE_DAY, self.zone).since


@dataclass(frozen=True)
class _Asked:
    groups: Sequence[Mapping[str, Any]]
    expires_at: float  # on the monotonic clock


class LiveScores:
    """The scores of days by model version, of one question at a time."""

    def __init__(self, data_service: DataService) -> None:
        self._data_service = data_service
        self._limit = asyncio.Semaphore(AT_ONCE)
        self._asked: dict[Day, _Asked] = {}
        self._period: tuple[float, tuple[datetime, datetime] | None] = 0.0, None  # until when it is fresh
        self._away_until = 0.0  # when the data service is asked again, after it did not answer

    @property
    def is_away(self) -> bool:
        """Whether the data service did not answer just now."""
        return time.monotonic() < self._away_until

    async def period(self, official: bool) -> tuple[datetime, datetime] | None:
        """The moments of the first and the last prediction; None where there is none yet.

        Raises ServiceUnavailable or ContentRejected.
        """
        fresh_until, period = self._period
        if fresh_until < time.monotonic():
            try:
                period = await self._patiently(lambda: self._data_service.first_and_last_moment(official))
            except ServiceUnavailable:
                if period is None:
                    raise
            self._period = time.monotonic() + FRESH_SECONDS, period
        return period

    async def of(self, days: Sequence[Day], complete_until: datetime, model_version: str | None) -> list[list[DayScores]]:
        """The scores of each day, one for each version that answers the same question as ``model_version``.

        Days that end before ``complete_until`` get no more outcomes. Raises ServiceUnavailable or ContentRejected.
        """
        groups = await asyncio.gather(*(self._groups(day, complete_until) for day in days))
        question = _question([group for of_day in groups for group in of_day], model_version)
        return [[day_scores(group) for group in of_day if _question_of(group) == question] for of_day in groups]

    async def _groups(self, day: Day, complete_until: datetime) -> Sequence[Mapping[str, Any]]:
        asked = self._asked.get(day)
        if asked is None or asked.expires_at < time.monotonic():
            try:
                async with self._limit:
                    groups = await self._patiently(lambda: self._data_service.scores(day.since, day.until))
            except ServiceUnavailable:
                if asked is None:
                    raise
                return asked.groups  # as it was; the page says that the service is away
            seconds = KEPT_SECONDS if day.until <= complete_until else FRESH_SECONDS
            asked = self._asked[day] = _Asked(groups, time.monotonic() + seconds)
            while len(self._asked) > MOST_DAYS:
                del self._asked[next(iter(self._asked))]
        return asked.groups

    async def _patiently(self, question: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer; raises ServiceUnavailable where it takes too long, and for a while afterwards at once."""
        if self.is_away:
            raise ServiceUnavailable(AWAY)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await question()
        except TimeoutError as error:
            self._data_service.failure = AWAY
            self._away_until = time.monotonic() + FRESH_SECONDS
            raise ServiceUnavailable(AWAY) from error


def _question_of(group: Mapping[str, Any]) -> Question:
    return group["model_name"], group["question"]


def _question(groups: Sequence[Mapping[str, Any]], model_version: str | None) -> Question | None:
    """The question of a version, or else of the newest group: models with different questions are not scored together."""
    own = [group for group in groups if group["group"] == model_version] or groups
    return _question_of(own[-1]) if own else None
