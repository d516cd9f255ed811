"""Outcomes: told once each, before or after their predictions, and never changed."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from uuid_utils import uuid7

from data_api.database.engine import transaction
from data_api.models import Outcome


@pytest.fixture
def post(client, as_service):
    return lambda *rows: client.post("/outcomes", json={"outcomes": rows}, headers=as_service)


def outcome(**changes):
    return {"prediction_id": str(uuid7()), "outcome": True} | changes


def metric(client, name):
    return next(float(line.split()[-1]) for line in client.get("/metrics").text.splitlines() if line.startswith(name))


def test_the_same_outcome_twice_is_recorded_once(client, post):
    rows = [outcome(), outcome(outcome=False)]

    assert post(*rows).json() == {"recorded": 2, "known": 0}
    assert post(*rows, outcome()).json() == {"recorded": 1, "known": 2}
    assert metric(client, 'data_api_rows_written_total{table="outcomes"}') == 3


def test_another_outcome_of_the_same_prediction_is_refused_by_name_and_nothing_is_recorded(client, engine, post):
    known = outcome()
    post(known)

    answer = post(outcome(), {**known, "outcome": False})

    assert answer.status_code == 409
    assert f"outcome of {known['prediction_id']} is recorded with another outcome." in answer.json()["detail"]
    with transaction(engine, reads=True) as session:
        assert len(session.scalars(select(Outcome)).all()) == 1
    assert metric(client, 'data_api_rows_written_total{table="outcomes"}') == 1
    assert metric(client, "data_api_outcome_delay_seconds_count") == 1


def test_a_time_that_is_told_counts_and_one_that_is_not_is_when_it_arrives(engine, post):
    before = datetime.now(UTC)
    told, untold = outcome(time=(before - timedelta(minutes=5)).isoformat()), outcome()
    post(told, untold)

    with transaction(engine, reads=True) as session:
        times = {str(row.prediction_id): row.time for row in session.scalars(select(Outcome))}
    assert times[told["prediction_id"]] == before - timedelta(minutes=5)
    assert before <= times[untold["prediction_id"]] <= datetime.now(UTC)
    assert post({**untold, "time": None}).json() == {"recorded": 0, "known": 1}
    assert post({"prediction_id": told["prediction_id"], "outcome": True}).json() == {"recorded": 0, "known": 1}
    answer = post({**told, "time": before.isoformat()})
    assert answer.status_code == 409
    assert "another time." in answer.json()["detail"]


def test_the_delay_from_prediction_to_outcome_is_measured(client, post):
    post(outcome())

    assert metric(client, "data_api_outcome_delay_seconds_count") == 1
    assert 0 <= metric(client, "data_api_outcome_delay_seconds_sum") < 60


def test_the_delay_of_an_outcome_is_measured_once(client, post):
    known = [outcome() for _ in range(3)]
    post(*known)
    post(*known, outcome())
    post(*known)
    assert metric(client, "data_api_outcome_delay_seconds_count") == 4


def test_what_is_no_outcome_is_refused_by_field(post):
    answer = post(outcome(outcome="maybe"), outcome(extra=1), {"outcome": True})

    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == [
        "outcomes.0.outcome", "outcomes.1.extra", "outcomes.2.prediction_id",
    ]  # fmt: skip
