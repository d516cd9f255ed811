"""Predictions that have a subject: one is official, stands once stored, and is scored at its own moment; others are not."""

import csv
import io
import json
import random
from datetime import UTC, datetime, timedelta

import pytest

from db.ids import id_at

AS_OF = datetime(2013, 10, 1, 7, 15, tzinfo=UTC)
SUBJECT = '{"year":2013,"month":10,"day":1,"carrier":"UA","flight":1545,"origin":"EWR"}'


@pytest.fixture
def official(prediction):
    """A function that gives a prediction of a subject, official unless changed."""

    def make(as_of=AS_OF, subject=SUBJECT, **changes):
        fields = {"subject": subject, "as_of": as_of.isoformat(), "log_position": 7, "official": True}
        return prediction(prediction_id=id_at(as_of), **fields) | changes

    return make


@pytest.fixture
def asked(official, prediction):
    """A function that gives a prediction of a subject that somebody asked for, now."""
    return lambda **changes: official(prediction_id=prediction()["prediction_id"], official=False, **changes)


@pytest.fixture
def post(client, as_service):
    return lambda *rows: client.post("/predictions", json={"predictions": rows}, headers=as_service)


@pytest.fixture
def get(client, as_reader):
    def page(path="/predictions", **query):
        answer = client.get(path, params=query, headers=as_reader)
        assert answer.status_code == 200, answer.text
        return answer

    return page


def ids(rows):
    return [row["prediction_id"] for row in rows]


def test_predictions_are_found_by_their_subject(post, get, official, asked, prediction):
    one, other, question = official(), official(subject="another"), asked()
    post(one, other, question, prediction())

    def found(**query):
        return set(ids(get(**query).json()["predictions"]))

    assert found(subject=SUBJECT) == set(ids([one, question]))
    assert found(subject=SUBJECT, official=True) == set(ids([one]))
    assert found(official=True) == set(ids([one, other]))
    assert found(official=False) == set(ids([question]))
    assert found(subject=SUBJECT, until="2014-01-01T00:00:00Z") == set(ids([one]))
    assert len(found()) == 4


def test_a_subject_may_be_long_and_its_prediction_be_of_an_earlier_moment(post, get, official):
    subject = "".join(random.choice("\U0001f600\U0001f601\U0001f602\U0001f603") for _ in range(1000))
    row = official(subject=subject, official=False)

    assert post(row).json() == {"recorded": 1, "known": 0}
    assert ids(get(subject=subject).json()["predictions"]) == ids([row])


def test_exports_hold_what_a_prediction_is_about(post, get, official):
    row = official()
    post(row)

    (line,) = (json.loads(text) for text in get(format="ndjson", subject=SUBJECT).text.splitlines())
    (cells,) = csv.DictReader(io.StringIO(get(format="csv", official=True).text, newline=""))

    assert datetime.fromisoformat(line["as_of"]) == datetime.fromisoformat(cells["as_of"]) == AS_OF
    assert (line["subject"], line["log_position"], line["official"]) == (SUBJECT, 7, True)
    assert (cells["subject"], cells["log_position"], cells["official"]) == (SUBJECT, "7", "true")


@pytest.mark.parametrize("changed", [{"probability": 0.75}, {"model_version": "two"}, {"log_position": 8}, {"features": {}}])
def test_the_first_official_prediction_stands(post, get, official, changed):
    row = official()
    post(row)

    assert post({**row, **changed}, official(subject="another")).json() == {"recorded": 1, "known": 1}
    (stored,) = get(subject=SUBJECT).json()["predictions"]
    assert {name: stored[name] for name in changed} == {name: row[name] for name in changed}


def test_an_official_prediction_twice_in_a_request_is_one(post, official):
    row = official()

    assert post(row, {**row, "probability": 0.75}).json() == {"recorded": 1, "known": 1}


def test_another_prediction_of_a_subject_with_other_content_is_refused(post, asked):
    row = asked()
    post(row)

    assert post(row).json() == {"recorded": 0, "known": 1}
    answer = post({**row, "subject": "another"})
    assert answer.status_code == 409
    assert [error["field"] for error in answer.json()["errors"]] == ["predictions.0.subject"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"subject": None}, "should be of a moment from 2020-01-01 to an hour from now"),
        ({"official": None}, "should have all of subject, as_of, log_position, official, or none of them"),
        ({"official": False, "as_of": "2014-10-01T07:15:00Z"}, "prediction_id and time should be of one moment"),
        ({"as_of": "2013-10-01T07:15:00.001Z"}, "prediction_id should have the milliseconds of as_of"),
        ({"as_of": "2999-01-01T00:00:00Z"}, "should be a moment from 1970 to an hour from now"),
        ({"log_position": -1}, "greater than or equal to 0"),
        ({"subject": ""}, "at least 1 character"),
        ({"official": "yes"}, "valid boolean"),
    ],
    ids=str,
)
def test_a_prediction_that_contradicts_itself_is_refused(post, official, changed, words):
    answer = post({**official(), **changed})

    assert answer.status_code == 422
    assert words in answer.json()["errors"][0]["wanted"]


def scores(get, **query):
    return get("/performance", since="2013-01-01T00:00:00Z", **query).json()


def test_only_the_official_prediction_of_a_subject_is_scored_at_its_own_moment(
    client, as_service, post, get, official, asked, prediction
):
    rows = [official(), asked(), prediction()]
    post(*rows)
    outcomes = [{"prediction_id": row["prediction_id"], "outcome": True, "time": AS_OF.isoformat()} for row in rows]
    assert client.post("/outcomes", json={"outcomes": outcomes}, headers=as_service).status_code == 201

    assert scores(get)["overall"]["outcomes"] == 2
    assert scores(get, until="2013-12-31T00:00:00Z")["overall"]["predictions"] == 1
    days = [group["group"] for group in scores(get, by="day")["groups"]]
    assert days == ["2013-10-01", f"{datetime.now(UTC):%Y-%m-%d}"]


def metric(client, name):
    lines = client.get("/metrics").text.splitlines()
    return {line.split(" ")[0]: float(line.split()[-1]) for line in lines if line.startswith(name)}


@pytest.fixture
def declare(client, as_service):
    """The model's reference, and the table of its events."""
    weather = {"key": ["origin"], "columns": {"origin": {"kind": "category"}, "humid": {"kind": "number"}}}
    share = {"missing": 0.0, "edges": [0.5], "shares": [0.5, 0.5]}
    body = {"model_name": "ontime", "reference": {"columns": {}, "probability": share}, "tables": {"weather": weather}}
    assert client.put("/models/one", json=body, headers=as_service).status_code == 200


@pytest.fixture
def reach(client, as_service, declare):
    """A function that lets the event log reach to a moment."""

    def append(moment):
        event = {"table": "weather", "key": {"origin": "EWR"}, "known_at": moment.isoformat(), "values": {"humid": 61.0}}
        assert client.post("/events", json={"events": [event]}, headers=as_service).status_code == 201

    return append


def test_live_scores_and_drift_of_official_predictions_end_at_the_watermark(
    client, post, reach, official, asked, prediction
):
    hours = [AS_OF + timedelta(minutes=number) for number in range(200)]
    post(*(official(moment, f"flight {moment}", probability=random.random()) for moment in hours))
    post(prediction(), *(asked() for _ in range(3)))
    service = client.app.state.service

    def counted():
        service.refresh_live()
        service.refresh_drift()
        live, rows = metric(client, "data_api_live_predictions"), metric(client, "data_api_drift_rows")
        return live['data_api_live_predictions{version="all"}'], rows['data_api_drift_rows{window="6h"}']

    assert counted() == (1, 1)
    reach(hours[99])
    assert counted() == (100, 100)
    reach(AS_OF + timedelta(hours=4))
    assert counted() == (201, 201)
    reach(AS_OF + timedelta(days=30))
    assert counted() == (1, 1)
