"""Odd input that is accepted is kept as it is."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from db.ids import id_at

METACHARACTERS = [
    "'; DROP TABLE predictions; --",
    '" OR ""="',
    "%' OR 1=1 --",
    "\\",
    "%s %(x)s :x $1 {x}",
    "a\tb\nc\r",
    "\u202e",
]


@pytest.mark.parametrize("text", METACHARACTERS)
def test_metacharacters_are_only_characters(post_text, get_json, prediction, text):
    row = prediction(model_version=text, model_name=text, caller=text, features={text: text})

    assert post_text("/predictions", json.dumps({"predictions": [row]}))[0] == 201
    page = get_json("/predictions", model_version=text)[1]
    assert [(one["model_version"], one["caller"], one["features"]) for one in page["predictions"]] == [
        (text, text, {text: text})
    ]
    groups = get_json("/performance", by="caller")[1]["groups"]
    assert [group["group"] for group in groups] == [text]
    assert get_json("/deployments", model_version=text) == (200, {"deployments": [], "next": None})


@pytest.mark.parametrize(("minutes", "status"), [(59, 201), (61, 422)])
def test_a_clock_may_be_an_hour_ahead(post_text, prediction, minutes, status):
    moment = datetime.now(UTC) + timedelta(minutes=minutes)
    by_time = prediction(time=moment.isoformat())
    by_id = prediction(prediction_id=id_at(moment))
    assert [post_text("/predictions", json.dumps({"predictions": [row]}))[0] for row in (by_time, by_id)] == [status] * 2


def test_of_a_repeated_key_the_last_counts(post_text, get_json, prediction):
    row = json.dumps(prediction(caller="first"))
    content = '{"predictions": [' + row[:-1] + ', "caller": "last"}]}'

    assert post_text("/predictions", content)[0] == 201
    assert get_json("/predictions")[1]["predictions"][0]["caller"] == "last"
