"""Days are asked for once, on their own clock, and stay on the page while the data service is away."""

import asyncio
from datetime import UTC, date, datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from board.errors import ServiceUnavailable
from board.scoring.live_scores import Day, LiveScores

GROUP = {
    "group": "v1", "model_name": "things", "question": "good", "predictions": 9, "outcomes": 0, "label_rate": None,
    "outcome_rate": None, "recall": None, "roc_auc": None, "brier_score": None, "brier_standard_error": None,
    "calibration": [],
}  # fmt: skip
NEW_YORK = ZoneInfo("America/New_York")
DAYS = [Day(date(2013, 10, number), NEW_YORK) for number in (1, 2, 3)]
NOTHING_IS_OVER, ALL_ARE_OVER = datetime(2013, 10, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC)


class DataService:
    """A data service that keeps what it was asked, and fails where it is told to."""

    def __init__(self, *groups):
        self.groups, self.asked, self.fails = groups or (GROUP,), [], False

    async def scores(self, since, until):
        self.asked.append((since, until))
        if self.fails:
            raise ServiceUnavailable("it is away")
        return list(self.groups)

    async def first_and_last_moment(self, official):
        self.asked.append(official)
        if self.fails:
            raise ServiceUnavailable("it is away")
        return ALL_ARE_OVER, ALL_ARE_OVER


@pytest.fixture
def clock(monkeypatch):
    """Seconds that a test may add to the monotonic clock; asyncio keeps the real one."""
    moment = [1000.0]
    monkeypatch.setattr("board.scoring.live_scores.time", SimpleNamespace(monotonic=lambda: moment[0]))
    return moment


def of(live, days=DAYS, until=ALL_ARE_OVER, version="v1"):
    return asyncio.run(live.of(days, until, version))


def test_a_day_is_that_of_its_clock_also_when_the_clock_changes():
    day = Day(date(2013, 11, 3), NEW_YORK)  # of 25 hours

    assert (day.since.astimezone(UTC).hour, day.until.astimezone(UTC).hour) == (4, 5)


def test_a_day_that_is_over_is_asked_for_once_and_one_that_is_not_again(clock):
    service = DataService()
    live = LiveScores(service)

    of(live)
    clock[0] += 60
    assert [len(scores) for scores in of(live)] == [1, 1, 1]
    assert len(service.asked) == 3
    of(LiveScores(service), until=NOTHING_IS_OVER)
    open_days = LiveScores(service)
    of(open_days, until=NOTHING_IS_OVER)
    clock[0] += 60
    of(open_days, until=NOTHING_IS_OVER)
    assert len(service.asked) == 12


def test_while_the_data_service_is_away_days_stay_as_they_were(clock):
    service = DataService()
    live = LiveScores(service)
    of(live, until=NOTHING_IS_OVER)
    asyncio.run(live.period(official=True))
    service.fails, clock[0] = True, clock[0] + 60

    assert [len(scores) for scores in of(live, until=NOTHING_IS_OVER)] == [1, 1, 1]
    assert asyncio.run(live.period(official=True)) == (ALL_ARE_OVER, ALL_ARE_OVER)
    with pytest.raises(ServiceUnavailable):
        of(live, [Day(date(2013, 12, 1), NEW_YORK)])


def test_only_versions_that_answer_the_same_question_are_shown():
    other = {**GROUP, "group": "v2", "question": "late by an hour"}
    same = {**GROUP, "group": "v3"}
    live = LiveScores(DataService(GROUP, other, same))

    assert [day.model_version for day in of(live, DAYS[:1])[0]] == ["v1", "v3"]
    assert [day.model_version for day in of(live, DAYS[:1], version="v2")[0]] == ["v2"]
    assert [day.model_version for day in of(live, DAYS[:1], version="unknown")[0]] == ["v1", "v3"]


def test_a_data_service_that_hangs_is_waited_for_a_moment_and_what_was_known_stays(clock, monkeypatch):
    monkeypatch.setattr("board.scoring.live_scores.PATIENCE_SECONDS", 0.01)
    service = DataService()
    live = LiveScores(service)
    asyncio.run(live.period(official=True))

    async def hang(*_):
        await asyncio.sleep(60)

    service.scores = service.first_and_last_moment = hang
    clock[0] += 60
    assert asyncio.run(live.period(official=True)) == (ALL_ARE_OVER, ALL_ARE_OVER)
    assert live.is_away
    with pytest.raises(ServiceUnavailable, match="the data service does not answer within 3 seconds"):
        of(live, [Day(date(2013, 10, number), NEW_YORK) for number in range(1, 32)])  # which nobody waits for
    assert service.failure == "the data service does not answer within 3 seconds"
    clock[0] += 60
    assert not live.is_away
