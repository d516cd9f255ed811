"""Reasons are asked for beside the requests: a few at a time, once for each prediction, and anew for another model."""

import asyncio
from types import SimpleNamespace

import pytest

from board.errors import ContentRejected, ServiceUnavailable
from board.questions.explanations import AT_ONCE, REST, Explanations


@pytest.fixture
def subjects(tracker, log):
    """More predictions than fit one request, each with the moment of its subject."""
    tracker.load(log)
    snapshot = tracker.tables.snapshot()
    return list(zip(snapshot.keys[1000:], snapshot.moments[1000:], strict=True))[: AT_ONCE + 4]


@pytest.fixture
def explanations(predictor):
    return Explanations(predictor)


async def settled(explanations):
    if explanations._task:
        await explanations._task


def test_what_is_not_there_yet_is_there_the_next_time_and_asked_for_once(explanations, tracker, predictor, subjects):
    async def ask():
        first = explanations.of(tracker, subjects)
        await settled(explanations)
        return first, explanations.of(tracker, subjects)

    first, second = asyncio.run(ask())

    assert first == {}
    assert second.keys() == dict(subjects).keys()
    assert len(predictor.explained) == len(subjects)


def test_an_earlier_prediction_of_a_subject_is_shown_until_the_new_one_is_there(explanations, tracker, predictor, subjects):
    key, moment = subjects[0]

    async def ask():
        await explanations.explain(tracker, key, moment - 15)
        shown = explanations.of(tracker, [(key, moment)])
        await settled(explanations)
        return shown

    assert asyncio.run(ask()).keys() == {key}
    assert len(predictor.explained) == 2


def test_each_prediction_of_a_subject_keeps_its_own_reasons(explanations, tracker, subjects):
    key, moment = subjects[0]

    async def ask():
        asked = [await explanations.explain(tracker, key, at) for at in (moment - 600, moment)]
        return asked, [explanations.of(tracker, [(key, at)])[key] for at in (moment - 600, moment)]

    asked, shown = asyncio.run(ask())

    assert asked[0]["record"] != asked[1]["record"]
    assert shown == asked


def test_between_two_requests_the_prediction_service_has_time_for_others(explanations, tracker, subjects, monkeypatch):
    pauses, clock = [], iter(range(0, 1000, 7))

    async def pause(seconds):
        pauses.append(seconds)

    monkeypatch.setattr("board.questions.explanations.time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr("board.questions.explanations.asyncio.sleep", pause)

    async def ask():
        explanations.of(tracker, subjects)
        await settled(explanations)

    asyncio.run(ask())

    assert pauses == [7 * REST] * 2


def test_another_model_is_asked_anew_also_where_the_last_one_gave_none(explanations, tracker, predictor, subjects):
    predictor.gives_no_reasons = True

    async def ask():
        explanations.of(tracker, subjects)
        await settled(explanations)
        refusal = explanations.refusal
        predictor.gives_no_reasons, tracker.source.model_version = False, "2"
        explanations.of(tracker, subjects)
        await settled(explanations)
        return refusal

    assert asyncio.run(ask()) == "409: the model has no topics"
    assert explanations.refusal is None
    assert len(predictor.explained) == len(subjects)


def test_a_service_that_is_away_is_asked_again_by_the_next_page(explanations, tracker, predictor, subjects, monkeypatch):
    async def away(_):
        raise ServiceUnavailable("away")

    async def ask():
        with monkeypatch.context() as patch:
            patch.setattr(predictor, "explain", away)
            explanations.of(tracker, subjects)
            await settled(explanations)
        explanations.of(tracker, subjects)
        await settled(explanations)

    asyncio.run(ask())

    assert explanations.refusal is None
    assert len(predictor.explained) == len(subjects)


def test_one_prediction_is_explained_at_once_or_refused(explanations, tracker, predictor, subjects):
    key, moment = subjects[0]

    assert asyncio.run(explanations.explain(tracker, key, moment))["probability"] == 0.35
    with pytest.raises(ServiceUnavailable, match="does not say what was known then"):
        asyncio.run(explanations.explain(tracker, (*key[:-1], "XXX"), moment))
    predictor.gives_no_reasons = True
    with pytest.raises(ContentRejected):
        asyncio.run(explanations.explain(tracker, key, moment + 1))
