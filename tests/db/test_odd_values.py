"""Odd input that is accepted is kept as it is."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from data_api.database.uuid7 import first_at

METACHARACTERS = [
    "'; DROP TABLE predictions; --",
    '" OR ""="',
    "%' OR 1=1 --",
    "\\",
    "%s %(x)s :x $1 {x}",
    "a\tb\nc\r",
    "\u202e",
]
JSON = {"content-type": "application/json"}


@pytest.fixture
def post(client, as_service):
    """A function that posts text as JSON, and gives the status and the problem."""

    def send(path, content):
        answer = client.post(path, content=content, headers={**JSON, **as_service})
        assert answer.status_code < 500, answer.text
        return answer.status_code, answer.json()

    return send


@pytest.fixture
def get(client, as_admin):
    def ask(path, **query):
        answer = client.get(path, params=query, headers=as_admin)
        assert answer.status_code < 500, answer.text
        return answer.status_code, answer.json()

    return ask


def id_at(moment):
    return str(UUID(int=first_at(moment).int | 7 << 76 | 2 << 62))


@pytest.mark.parametrize("text", METACHARACTERS)
def test_metacharacters_are_only_characters(post, get, prediction, text):
    row = prediction(model_version=text, model_name=text, caller=text, features={text: text})

    assert post("/predictions", json.dumps({"predictions": [row]}))[0] == 201
    page = get("/predictions", model_version=text)[1]
    assert [(one["model_version"], one["caller"], one["features"]) for one in page["predictions"]] == [
        (text, text, {text: text})
    ]
    groups = get("/performance", by="caller")[1]["groups"]
    assert [group["group"] for group in groups] == [text]
    assert get("/deployments", model_version=text) == (200, {"deployments": [], "next": None})


@pytest.mark.parametrize(("minutes", "status"), [(59, 201), (61, 422)])
def test_a_clock_may_be_an_hour_ahead(post, prediction, minutes, status):
    moment = datetime.now(UTC) + timedelta(minutes=minutes)
    by_time = prediction(time=moment.isoformat())
    by_id = prediction(prediction_id=id_at(moment))
    assert [post("/predictions", json.dumps({"predictions": [row]}))[0] for row in (by_time, by_id)] == [status] * 2


def test_of_a_repeated_key_the_last_counts(post, get, prediction):
    row = json.dumps(prediction(caller="first"))
    content = '{"predictions": [' + row[:-1] + ', "caller": "last"}]}'

    assert post("/predictions", content)[0] == 201
    assert get("/predictions")[1]["predictions"][0]["caller"] == "last"
