"""The worst surprises: least expected first, of both kinds, explained by the model that made them alone."""

import asyncio
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic_core import to_json

from board.errors import ContentRejected
from board.scoring.live_scores import Day
from board.scoring.surprises import SHOWN, Surprises

DAY, OVER = Day(date(2013, 10, 1), ZoneInfo("UTC")), datetime(2014, 1, 1, tzinfo=UTC)


def prediction(name, probability, outcome, official=True, model_version="v1"):
    return {
        "prediction_id": name, "probability": probability, "outcome": outcome, "official": official,
        "model_version": model_version, "features": {"of": name}, "subject": '{"flight":1}', "as_of": None, "time": None,
    }  # fmt: skip


class Services:
    """Both services in one: predictions of a day, and reasons of records."""

    def __init__(self, *predictions):
        self.stored, self.explained, self.refuses, self.asked = predictions, [], False, 0

    async def predictions(self, since, until):
        self.asked += 1
        return b"\n".join(map(to_json, self.stored))

    async def explain(self, records):
        if self.refuses:
            raise ContentRejected("409: the model knows no topics", 409)
        self.explained += records
        return [{"reasons": {"topics": [{"topic": record["of"], "contribution": 0.1}]}} for record in records]


@pytest.fixture
def surprises_of():
    def ask(services, version="v1"):
        surprises = asyncio.run(Surprises(services, services).of(DAY, OVER, version))
        return surprises, [surprise.prediction["prediction_id"] for surprise in surprises]

    return ask


def test_the_least_expected_of_each_kind_come_first(surprises_of):
    stored = [prediction(f"true {p}", p / 10, True) for p in range(10)] + [
        prediction(f"false {p}", p / 10, False) for p in (3, 9)
    ]
    _, names = surprises_of(Services(*stored))

    assert names == [*(f"true {p}" for p in range(SHOWN)), "false 9", "false 3"]


def test_what_is_not_official_or_not_known_is_no_surprise(surprises_of):
    stored = [
        prediction("a", 0.1, True, official=False),
        prediction("b", 0.1, None),
        prediction("c", 0.1, True, official=None),
    ]

    assert surprises_of(Services(*stored))[1] == ["c"]


def test_another_models_predictions_have_no_reasons_and_say_so(surprises_of):
    services = Services(prediction("old", 0.1, True), prediction("new", 0.2, True, model_version="v2"))
    surprises, _ = surprises_of(services, "v2")

    assert [[topic["topic"] for topic in surprise.topics] for surprise in surprises] == [[], ["new"]]
    assert surprises[0].why_not == "Model v2 answers now, and knows no reasons of another model's predictions."
    assert services.explained == [{"of": "new"}]


def test_a_model_without_reasons_leaves_the_surprises(surprises_of):
    services = Services(prediction("a", 0.1, True))
    services.refuses = True
    (surprise,), _ = surprises_of(services)

    assert surprise.why_not == "There are no reasons: 409: the model knows no topics."
    assert surprise.subject == {"flight": 1}


def test_a_day_that_is_over_is_looked_up_once():
    services = Services(prediction("a", 0.1, True))
    surprises = Surprises(services, services)
    for _ in range(2):
        asyncio.run(surprises.of(DAY, OVER, "v1"))

    assert services.asked == 1
