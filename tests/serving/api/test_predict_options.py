"""What the routes that predict answer to ?reasons=true and ?dry_run=true, and what they refuse."""

import json

import pytest

from serving.conftest import RECORD, with_topics
from serving.test_app import ANSWER, NDJSON, assert_problem, kept, lines_of, samples

ROUTES = ["/predict", "/predict/batch"]


@pytest.fixture
def client(client_of, make_model):
    """A client of a service whose model has topics."""
    return client_of(model_uri=str(make_model(columns=with_topics())))


def ask(client, path, query, record=RECORD):
    """The answer about one record, alone or as a batch."""
    answer = client.post(f"{path}?{query}", json=record if path == "/predict" else {"records": [record]})
    assert answer.status_code == 200, answer.text
    return answer.json() if path == "/predict" else answer.json()["predictions"][0]


def counted(client):
    """The samples of the metrics page that predictions move."""
    page = samples(client.get("/metrics").text)
    names = ("prediction_api_predictions", "prediction_api_probability", "prediction_api_warnings", "prediction_api_outbox")
    return {key: value for key, value in page.items() if key[0].startswith(names) and not key[0].endswith("_created")}


@pytest.mark.parametrize("path", ROUTES)
def test_with_reasons_an_answer_says_what_each_topic_contributes(client, path):
    answer = ask(client, path, "reasons=true")
    reasons = answer["reasons"]
    total = reasons["typical_probability"] + sum(topic["contribution"] for topic in reasons["topics"])

    assert set(answer) == ANSWER | {"reasons"}
    assert total == pytest.approx(answer["probability"], abs=1e-6)
    assert [topic["topic"] for topic in reasons["topics"][:2]] == ["route", "delays"]
    assert reasons["topics"][1]["columns"] == [
        {"name": "delay", "value": 2.5, "typical": -2.0, "unit": "minutes", "description": "Delay so far"}
    ]


@pytest.mark.parametrize("query", ["", "reasons=false", "dry_run=false", "reasons=false&dry_run=false", "&"])
@pytest.mark.parametrize("path", ROUTES)
def test_without_reasons_an_answer_is_as_ever(client, outbox, path, query):
    answer = ask(client, path, query)

    assert set(answer) == ANSWER
    assert [line["prediction_id"] for line in kept(outbox)] == [answer["prediction_id"]]


def test_lines_get_reasons_on_each_line(client):
    answer = client.post("/predict/batch?reasons=true", content=lines_of([RECORD, RECORD]), headers=NDJSON)
    first, second = (json.loads(line) for line in answer.text.splitlines())

    assert answer.headers["content-type"] == NDJSON["content-type"]
    assert first["reasons"] == second["reasons"] == ask(client, "/predict", "reasons=true")["reasons"]


@pytest.mark.parametrize("path", ROUTES)
def test_the_prediction_is_stored_and_counted_without_its_reasons(client, outbox, path):
    answer = ask(client, path, "reasons=true")
    (line,) = kept(outbox)

    assert line["prediction_id"] == answer["prediction_id"]
    assert "reasons" not in line
    assert samples(client.get("/metrics").text)["prediction_api_predictions_total", ("label", "true")] == 1


@pytest.mark.parametrize("query", ["dry_run=true", "dry_run=true&reasons=true"])
@pytest.mark.parametrize("path", ROUTES)
def test_a_dry_run_answers_the_same_and_stores_and_counts_nothing(client, outbox, path, query):
    before = counted(client)
    dry = ask(client, path, query, {**RECORD, "carrier": "ZZ"})

    assert dry["prediction_id"] is None
    assert dry["warnings"][0]["kind"] == "unseen_category"
    assert kept(outbox) == []
    assert counted(client) == before

    stored = ask(client, path, query.replace("dry_run=true", "dry_run=false"), {**RECORD, "carrier": "ZZ"})
    assert {**stored, "prediction_id": None} == dry
    assert counted(client) != before


def test_a_dry_run_of_a_subject_keeps_its_fields_and_has_no_id(client, outbox):
    subject = {"subject": "UA 1", "as_of": "2013-10-01T08:15:00Z", "log_position": 7, "official": False}
    body = {"records": [RECORD], "subjects": [subject]}
    (answer,) = client.post("/predict/batch?dry_run=true", json=body).json()["predictions"]

    assert {name: answer[name] for name in subject} == subject
    assert answer["prediction_id"] is None
    assert kept(outbox) == []


def test_a_dry_run_answers_while_the_outbox_is_full(client_of):
    client = client_of(outbox_max_bytes=1_000_000)
    batch = {"records": [RECORD] * 1000}
    while (answer := client.post("/predict/batch", json=batch)).status_code == 200:
        pass

    assert_problem(answer, 503, "outbox")
    assert client.post("/predict/batch?dry_run=true", json=batch).status_code == 200


@pytest.mark.parametrize(
    ("query", "words", "fields"),
    [
        ("reason=true", "One parameter is not .*: reasons and dry_run, each true or false", ["reason"]),
        ("reasons=yes", "One parameter is not", ["reasons"]),
        ("reasons", "One parameter is not", ["reasons"]),
        ("dry_run=True", "One parameter is not", ["dry_run"]),
        ("reasons=true&reasons=false", "One parameter is not", ["reasons"]),
        ("a=1&dry_run=1", "2 parameters are not", ["a", "dry_run"]),
    ],
)
@pytest.mark.parametrize("path", ROUTES)
def test_another_parameter_or_value_is_refused_and_nothing_is_stored(client, outbox, path, query, words, fields):
    body = RECORD if path == "/predict" else {"records": [RECORD]}

    assert_problem(client.post(f"{path}?{query}", json=body), 422, words, fields)
    assert kept(outbox) == []


@pytest.mark.parametrize("path", ROUTES)
def test_reasons_of_a_model_without_topics_are_refused_and_nothing_is_stored(client_of, outbox, path):
    client = client_of()
    body = RECORD if path == "/predict" else {"records": [RECORD]}

    assert_problem(client.post(f"{path}?reasons=true", json=body), 409, "has no topics.*Ask without reasons, or reproduce")
    assert kept(outbox) == []
    assert client.post(f"{path}?dry_run=true", json=body).status_code == 200


def test_a_batch_with_reasons_holds_at_most_64_records(client, outbox):
    records = [RECORD] * 65

    assert_problem(client.post("/predict/batch?reasons=true", json={"records": records}), 422, "One field", ["records"])
    lines = client.post("/predict/batch?reasons=true", content=lines_of(records), headers=NDJSON)
    assert_problem(lines, 422, "One field", ["the body"])
    assert kept(outbox) == []
    answer = client.post("/predict/batch?reasons=true", json={"records": records[:64]})
    assert [set(prediction) for prediction in answer.json()["predictions"]] == [ANSWER | {"reasons"}] * 64


def test_the_schema_of_the_model_shows_topics_and_typical_values(client):
    columns = client.get("/model").json()["schema"]["columns"]

    assert [(column["topic"], column["typical"]) for column in columns] == [
        (column["topic"], column["typical"]) for column in with_topics()
    ]
