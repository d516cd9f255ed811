"""Following the log: where it begins, how it goes on with another model, after a failure and at the end."""

import asyncio
import itertools
import logging

import pytest

from board.errors import ServiceUnavailable
from board.metrics import Metrics
from board.tracking import follower as follower_module
from board.tracking.follower import Follower

PAGE = 2000


@pytest.fixture
def log_service(data_service, corrected_log, predictor):
    """The data service with the whole log, in which a prediction is stored once it was asked for."""
    log = corrected_log

    async def log_state():
        first = min(event.known_at for _, event in log if event.table == "flights")
        return {"tables": {"flights": {"first_known_at": first.isoformat()}}, "position": log[-1][0]}

    def stored():
        return [
            {**subject, "probability": 0.5, "label": False, "threshold": 0.5, "model_version": "1", "outcome": None}
            for subject, _ in predictor.asked
            if subject["official"]
        ]

    async def newest_official():
        return max(stored(), key=lambda prediction: prediction["as_of"], default=None)

    async def official_predictions(since, until=None):
        return [prediction for prediction in stored() if prediction["as_of"] >= since.isoformat()]

    async def pages(after, wait_seconds=0, **query):
        data_service.begun_at.append(after)
        events = [entry for entry in log if entry[0] > after]
        for start in range(0, len(events), PAGE):
            yield events[start : start + PAGE]
        while True:
            await asyncio.sleep(0.01)
            yield []

    async def events_until(position, table=None, **query):
        yield [entry for entry in log if entry[0] <= position and entry[1].table == table]

    data_service.begun_at = []
    for function in (log_state, newest_official, official_predictions, pages, events_until):
        setattr(data_service, function.__name__, function)
    return data_service


@pytest.fixture
def described(predictor, model):
    """The prediction service, which also describes its model."""

    async def describe():
        return {**model, "version": predictor.version}

    predictor.model = describe
    return predictor


@pytest.fixture
def new_follower(log_service, described, corrected_log, since):
    days = (since - corrected_log[0][1].known_at).total_seconds() / 86_400
    return lambda: Follower(log_service, described, Metrics(), days)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(follower_module, "AFTER_FAILURE_SECONDS", 0.01)


async def follow_until(follower, true, seconds=60):
    """Follows until a condition holds, and ends."""
    running = asyncio.create_task(follower.run())
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await follower.close()


def test_it_reads_the_whole_log_and_then_waits_for_news(new_follower, corrected_log, described):
    follower = new_follower()

    asyncio.run(follow_until(follower, lambda: follower.caught_up))

    assert follower.tracker.tables.position == corrected_log[-1][0]
    assert follower.works
    assert described.asked


def test_a_second_board_begins_at_the_newest_official_prediction_and_asks_for_none_again(
    new_follower, log_service, described
):
    first, second = new_follower(), new_follower()
    asyncio.run(follow_until(first, lambda: first.caught_up))
    asked = len(described.asked)

    asyncio.run(follow_until(second, lambda: second.caught_up))

    newest = max(subject["log_position"] for subject, _ in described.asked)
    assert log_service.begun_at == [0, newest]
    assert len(described.asked) == asked
    assert second.tracker.officials.made.keys() == first.tracker.officials.made.keys()


def test_boards_that_end_in_the_midst_of_the_log_leave_the_predictions_of_one_that_does_not(
    new_follower, described, corrected_log
):
    """Corrections lie before and after the places where they end."""
    undisturbed = new_follower()
    asyncio.run(follow_until(undisturbed, lambda: undisturbed.caught_up))
    expected = {subject["prediction_id"]: record for subject, record in described.asked}
    described.asked.clear()
    requests = itertools.count(1)
    predict = described.predict

    async def dying_predict(records, subjects):
        """Some requests are the last of their board."""
        if next(requests) in {2, 8, 15, 31}:
            raise RuntimeError("killed")
        return await predict(records, subjects)

    described.predict = dying_predict
    follower = new_follower()
    asyncio.run(follow_until(follower, lambda: follower.caught_up))

    assert next(requests) > 31
    assert {subject["prediction_id"]: record for subject, record in described.asked} == expected


def test_what_is_under_way_is_finished_before_the_board_ends(new_follower, described, monkeypatch):
    follower, reached, free = new_follower(), asyncio.Event(), asyncio.Event()
    predict = described.predict

    async def slow_predict(records, subjects):
        reached.set()
        await free.wait()
        return await predict(records, subjects)

    monkeypatch.setattr(described, "predict", slow_predict)

    async def end_while_it_predicts():
        running = asyncio.create_task(follower.run())
        await reached.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        free.set()
        await follower.close()

    asyncio.run(end_while_it_predicts())

    assert described.asked
    assert len(follower.tracker.officials.made) == len(described.asked)


def test_another_model_with_the_same_columns_goes_on_where_the_last_one_was(new_follower, described, log_service):
    follower = new_follower()

    async def exchange():
        await follow_until(follower, lambda: follower.caught_up)
        before = follower.tracker
        described.version = "2"
        follower._looked_at = -follower_module.MODEL_SECONDS
        await follow_until(follower, lambda: follower.model["version"] == "2")
        return before

    before = asyncio.run(exchange())

    assert follower.tracker is before
    assert follower.tracker.source.model_version == "2"


def test_a_failure_is_told_and_the_board_begins_again(new_follower, log_service, described, caplog):
    follower, refusals = new_follower(), iter([True])
    pages = log_service.pages

    async def failing_pages(*arguments, **query):
        if next(refusals, False):
            raise RuntimeError("the first time")
        async for page in pages(*arguments, **query):
            yield page

    log_service.pages = failing_pages

    with caplog.at_level(logging.ERROR, "board"):
        asyncio.run(follow_until(follower, lambda: follower.caught_up))

    assert "the board failed and begins again" in caplog.text
    assert follower.works


def test_a_model_of_an_unknown_recipe_is_a_sentence(new_follower, described, model):
    follower = new_follower()
    source = {**model["schema"]["source"], "recipe": "trains"}

    async def describe():
        return {**model, "schema": {**model["schema"], "source": source}}

    described.model = describe
    asyncio.run(follow_until(follower, lambda: follower.failure))

    assert "names 'trains'" in follower.failure
    assert "Start the board of the model's own commit." in follower.failure


def test_a_prediction_service_that_is_away_is_looked_at_while_nothing_happens(new_follower, described):
    follower = new_follower()

    async def away():
        described.failure = "it is away"
        raise ServiceUnavailable(described.failure)

    async def lose():
        await follow_until(follower, lambda: follower.caught_up)
        described.model = away
        follower._looked_at = -follower_module.MODEL_SECONDS
        follower.model = None
        await follower._answering_version()

    asyncio.run(lose())

    assert not follower.works
