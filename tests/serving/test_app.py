"""What the routes answer, what they refuse and how, and what is kept, counted and logged on the way."""

import asyncio
import hashlib
import io
import json
import logging
import math
import re
import socket
import uuid
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from prediction_api.app import create_app
from prediction_api.open_inference.infer_request import HEADER_LENGTH
from prediction_api.settings import Settings
from service_kit import api_keys
from service_kit.body_limit import READ_AHEAD_BYTES
from service_kit.logs import JsonLines
from serving.conftest import COLUMNS
from serving.kept import kept_lines

SOURCE = Path(__file__).parents[2] / "serving" / "prediction_api"
JSON, NDJSON = {"content-type": "application/json"}, {"content-type": "application/x-ndjson"}
PROBLEM = "application/problem+json"
ANSWER = {"prediction_id", "probability", "label", "threshold", "model_version", "warnings"}
WATCHED = (
    *("/healthz", "/readyz", "/metrics", "/v2", "/v2/health/live", "/v2/health/ready"),
    *("/v2/models/tiny", "/v2/models/tiny/ready"),
)


def pair(name, key):
    """An entry of API_KEYS or ADMIN_KEYS."""
    return f"{name}:{hashlib.sha256(key.encode()).hexdigest()}"


def kept(folder):
    """Every prediction in an outbox, in its order."""
    return [json.loads(line) for line in kept_lines(folder)]


def lines_of(records):
    """Records as NDJSON."""
    return "".join(json.dumps(one) + "\n" for one in records)


def assert_problem(answer, status, words, errors=None):
    """An answer is a problem of this status, and its detail says these words."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == PROBLEM
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail"} | ({"errors"} if errors else set())
    assert (body["type"], body["status"]) == ("about:blank", status)
    assert body["title"] == httpx.codes.get_reason_phrase(status)
    assert re.search(words, body["detail"]), body["detail"]
    if errors:
        assert [error["field"] for error in body["errors"]] == errors
        assert all(set(error) == {"field", "wanted", "got"} for error in body["errors"])


def samples(text):
    """The value of each sample of a metrics page, by name and labels."""
    found = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {(sample.name, *sorted(sample.labels.items())): sample.value for sample in found}


@pytest.fixture
def client(client_of):
    """A client of an app with the settings of a test."""
    return client_of()


@pytest.fixture
def log():
    """What the service logs in this process, as its own formatter writes it."""
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(JsonLines())
    logging.getLogger("service_kit").addHandler(handler)
    yield handler.stream
    logging.getLogger("service_kit").removeHandler(handler)


@asynccontextmanager
async def running(settings):
    """An app in this event loop, asked without a server between: it may be asked again before it has answered."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


async def ask(app, path, receive, method="POST", headers=()):
    """The status, headers and body of an answer; ``receive`` gives the body of the request as it likes."""
    sent = []
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "state": {},
        "headers": [(b"host", b"here"), (b"content-type", b"application/json"), *headers],
        "client": ("here", 1), "server": ("here", 2),
    }  # fmt: skip

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return httpx.Response(sent[0]["status"], headers=headers, content=b"".join(one.get("body", b"") for one in sent[1:]))


async def never():
    """The body of a client that says nothing more."""
    await asyncio.Event().wait()


# One record


def test_an_answer_holds_id_probability_label_threshold_version_and_warnings(client, record):
    answer = client.post("/predict", json=record)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert set(answer.json()) == ANSWER
    assert math.isclose(answer.json()["probability"], 1 / (1 + math.exp(-0.825)), rel_tol=1e-6)
    assert answer.json()["label"] is True
    assert answer.json()["threshold"] == 0.5
    assert answer.json()["model_version"] == client.get("/model").json()["version"]
    assert answer.json()["warnings"] == []


def test_a_prediction_id_is_a_uuid_of_version_7_and_later_ones_sort_later(client, record):
    ids = [client.post("/predict", json=record).json()["prediction_id"] for _ in range(20)]
    batch = client.post("/predict/batch", json={"records": [record] * 50}).json()["predictions"]
    ids += [one["prediction_id"] for one in batch]

    assert {uuid.UUID(one).version for one in ids} == {7}
    assert sorted(ids) == ids
    assert len(set(ids)) == 70


@pytest.mark.parametrize(("threshold", "label"), [(0.0, True), (0.69, True), (0.70, False), (1.0, False)])
def test_the_label_says_whether_the_probability_reaches_the_threshold(client_of, make_model, record, threshold, label):
    answer = client_of(model_uri=str(make_model(threshold=threshold))).post("/predict", json=record).json()

    assert (answer["label"], answer["threshold"]) == (label, threshold)


def test_a_probability_that_equals_the_threshold_is_a_yes(client_of, make_model, record, tmp_path):
    probability = client_of().post("/predict", json=record).json()["probability"]
    model = make_model(threshold=probability)

    answer = client_of(model_uri=str(model), outbox_dir=tmp_path / "other").post("/predict", json=record).json()

    assert (answer["threshold"], answer["label"]) == (probability, True)


def test_an_unseen_category_is_predicted_with_a_warning_that_names_it(client, record):
    answer = client.post("/predict", json=record | {"carrier": "ZZ"})

    assert answer.status_code == 200
    assert answer.json()["warnings"] == [
        {"field": "carrier", "kind": "unseen_category", "detail": "'ZZ' was not in the training table"}
    ]


def test_a_number_outside_the_training_range_is_predicted_with_a_warning_that_shows_the_range(client, record):
    answer = client.post("/predict", json=record | {"distance": 5000.0, "delay": -21.0})

    assert answer.status_code == 200
    assert answer.json()["warnings"] == [
        {
            "field": "distance",
            "kind": "outside_training_range",
            "detail": "5000 is outside the 80 to 4983 of the training table",
        },
        {
            "field": "delay",
            "kind": "outside_training_range",
            "detail": "-21 is outside the -20 to 300 of the training table",
        },
    ]


def test_the_ends_of_the_training_range_are_inside_it(client, record):
    for distance in (80, 4983):
        assert client.post("/predict", json=record | {"distance": distance}).json()["warnings"] == []


def test_a_date_outside_the_training_period_and_a_null_that_training_never_saw_are_predicted_with_warnings(
    client_of, make_model, record
):
    columns = [{**column, "reference": {"missing": 0.5 if column["name"] == "season" else 0.0}} for column in COLUMNS]
    client = client_of(model_uri=str(make_model(columns=columns)))
    changes = {"departs": "2026-11-27T08:00:00", "carrier": None, "season": None, "delay": None}

    warnings = client.post("/predict", json=record | changes).json()["warnings"]

    assert [(warning["field"], warning["kind"]) for warning in warnings] == [
        ("delay", "unseen_missing"),
        ("carrier", "unseen_missing"),
        ("departs", "outside_training_period"),
    ]
    detail = "it is after 2013-09-30T23:59:00, where the training table ends"
    assert warnings[-1]["detail"] == detail
    for departs, place in (("0001-01-01T00:00:00", "before"), ("9999-12-31T23:59:59", "after")):
        (warning,) = client.post("/predict", json=record | {"departs": departs}).json()["warnings"]
        assert warning["detail"].startswith(f"it is {place} 2013")


@pytest.mark.parametrize("headers", [{}, NDJSON])
def test_a_byte_order_mark_before_json_is_passed_over(client, record, headers):
    body = json.dumps(record if headers else {"records": [record]})

    answer = client.post("/predict/batch", content=b"\xef\xbb\xbf" + body.encode(), headers=headers or JSON)

    assert answer.status_code == 200


@pytest.mark.parametrize("name", ["host", "x-api-key", "authorization", "content-type"])
def test_a_header_that_may_come_once_is_refused_where_it_comes_twice(client, record, name):
    answer = client.post("/predict", content=json.dumps(record), headers=[(name, "application/json"), (name.upper(), "b")])

    assert_problem(answer, 400, f"The header {name} should come once; it comes 2 times")


def test_null_is_no_unseen_category_and_outside_no_range(client, record):
    answer = client.post("/predict", json=record | {"carrier": None, "season": None, "delay": None})

    assert (answer.status_code, answer.json()["warnings"]) == (200, [])


def test_a_field_that_may_be_left_out_is_answered_as_null_is(client, record):
    with_null = client.post("/predict", json=record | {"season": None}).json()
    del record["season"]

    assert client.post("/predict", json=record).json()["probability"] == with_null["probability"]


def test_an_integer_is_a_number(client, record):
    whole = client.post("/predict", json=record | {"distance": 800, "delay": 2}).json()

    assert whole["probability"] == client.post("/predict", json=record | {"delay": 2.0}).json()["probability"]


# Many records


def test_a_batch_is_answered_in_the_order_of_its_records(client, record):
    records = [record | {"distance": float(distance)} for distance in (4000, 100, 2000, 80)]

    answer = client.post("/predict/batch", json={"records": records})

    assert answer.headers["content-type"] == "application/json"
    assert [one["probability"] for one in answer.json()["predictions"]] == [
        client.post("/predict", json=one).json()["probability"] for one in records
    ]


@pytest.mark.parametrize("count", [1, 31, 32, 1000])
def test_a_batch_of_any_size_gives_each_record_the_answer_it_gets_alone(client, record, count):
    records = [record | {"distance": 80.0 + number, "carrier": "ZZ" if number % 7 == 3 else "AA"} for number in range(count)]

    answers = client.post("/predict/batch", json={"records": records}).json()["predictions"]

    assert len(answers) == count
    for number in {0, count // 3, count - 1}:
        alone = client.post("/predict", json=records[number]).json()
        assert math.isclose(answers[number].pop("probability"), alone.pop("probability"), rel_tol=1e-6)
        assert answers[number] | {"prediction_id": ""} == alone | {"prediction_id": ""}


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "application/ndjson", "application/jsonl; charset=UTF-8"])
def test_lines_are_answered_with_lines_in_their_order(client, record, content_type):
    records = [record | {"distance": float(distance)} for distance in (4000, 100, 2000)]
    wanted = client.post("/predict/batch", json={"records": records}).json()["predictions"]

    answer = client.post("/predict/batch", content=lines_of(records), headers={"content-type": content_type})

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    assert answer.text.endswith("\n")
    got = [json.loads(line) for line in answer.text.splitlines()]
    assert [one["probability"] for one in got] == [one["probability"] for one in wanted]
    assert all(set(one) == ANSWER for one in got)


def test_lines_may_end_as_on_windows_lack_the_last_end_and_be_empty(client, record):
    text = json.dumps(record)

    answer = client.post("/predict/batch", content=f"{text}\r\n\r\n\n{text}", headers=NDJSON)

    assert (answer.status_code, len(answer.text.splitlines())) == (200, 2)


@pytest.mark.parametrize(("place", "field"), [(0, "records[0].distance"), (2, "records[2].distance")])
def test_a_batch_with_one_faulty_record_is_refused_whole_and_nothing_is_kept(client, record, outbox, place, field):
    records = [record | {"distance": 1.0 if number == place else 80.0} for number in range(3)]

    answer = client.post("/predict/batch", json={"records": records})

    assert_problem(answer, 422, "One field", [field])
    assert kept(outbox) == []
    assert samples(client.get("/metrics").text)["prediction_api_predictions_total", ("label", "true")] == 0


def test_lines_with_one_faulty_record_are_refused_whole_and_nothing_is_kept(client, record, outbox):
    answer = client.post("/predict/batch", content=lines_of([record, record | {"distance": 1.0}]), headers=NDJSON)

    assert_problem(answer, 422, "One field", ["line 2: distance"])
    assert kept(outbox) == []


def test_a_line_that_is_no_json_is_refused_by_its_number(client, record, outbox):
    answer = client.post("/predict/batch", content=f"{json.dumps(record)}\n\n{{broken\n", headers=NDJSON)

    assert_problem(answer, 400, "line 3: ")
    assert kept(outbox) == []


@pytest.mark.parametrize("count", [0, 4])
def test_a_batch_holds_one_to_max_records(client_of, record, outbox, count):
    client = client_of(max_records=3)

    answer = client.post("/predict/batch", json={"records": [record] * count})
    lines = client.post("/predict/batch", content=lines_of([record] * count), headers=NDJSON)

    assert_problem(answer, 422, "One field", ["records"])
    wanted, got = answer.json()["errors"][0]["wanted"], answer.json()["errors"][0]["got"]
    assert (wanted, got) == ("an array of 1 to 3 records", f"{count} of them")
    assert_problem(lines, 422, "One field", ["the body"])
    assert lines.json()["errors"][0] == {"field": "the body", "wanted": "1 to 3 lines", "got": f"{count}"}
    assert kept(outbox) == []
    assert client.post("/predict/batch", json={"records": [record] * 3}).status_code == 200


# The outbox


def test_what_is_kept_is_what_was_answered_with_the_record_the_time_and_the_model(client, record, outbox):
    answer = client.post("/predict", json=record | {"carrier": "ZZ"}).json()

    (line,) = kept(outbox)
    assert {name: line.pop(name) for name in ANSWER} == answer
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00", line.pop("time"))
    assert line == {"model_name": "tiny", "caller": None, "features": record | {"carrier": "ZZ"}}


def test_a_batch_is_kept_in_the_order_of_its_answers(client, record, outbox):
    records = [record | {"distance": 80.0 + number} for number in range(40)]

    answers = client.post("/predict/batch", json={"records": records}).json()["predictions"]
    answers += [
        json.loads(line) for line in client.post("/predict/batch", content=lines_of(records), headers=NDJSON).iter_lines()
    ]

    lines = kept(outbox)
    assert [{name: line[name] for name in ANSWER} for line in lines] == answers
    assert [line["features"] for line in lines] == records * 2


def test_an_answer_and_the_line_that_is_kept_hold_the_subject_of_their_record(client, record, outbox):
    official = {
        "prediction_id": "01417315-a49a-7000-8000-000000000001",
        "subject": '{"flight":1}',
        "as_of": "2013-10-01T08:15:00.250000Z",
        "log_position": 7,
        "official": True,
    }
    asked = {**official, "prediction_id": None, "official": False}

    answer = client.post("/predict/batch", json={"records": [record] * 3, "subjects": [official, None, asked]})

    first, second, third = answers = answer.json()["predictions"]
    assert {name: first[name] for name in official} == official
    assert second.keys() == ANSWER
    assert {name: third[name] for name in asked} == {**asked, "prediction_id": third["prediction_id"]}
    assert len({uuid.UUID(prediction["prediction_id"]) for prediction in answers}) == 3
    assert [{name: line[name] for name in one} for one, line in zip(answers, kept(outbox), strict=True)] == answers


def test_what_is_kept_of_a_record_without_a_subject_says_nothing_of_one(client, record, outbox):
    client.post("/predict/batch", json={"records": [record]})
    client.post("/predict/batch", json={"records": [record], "subjects": [None]})
    client.post("/predict", json=record)

    lines = kept(outbox)
    assert len(lines) == 3
    for line in lines:
        assert list(line) == [
            "prediction_id", "probability", "label", "threshold", "model_version", "warnings",
            "time", "model_name", "caller", "features",
        ]  # fmt: skip


@pytest.mark.parametrize("count", [2, 40])
def test_a_batch_with_one_faulty_subject_is_refused_whole_and_nothing_is_kept(client, record, outbox, count):
    subject = {"subject": "a", "as_of": "2013-10-01T08:15:00Z", "log_position": 7, "official": True}

    answer = client.post("/predict/batch", json={"records": [record] * count, "subjects": [None] * (count - 1) + [subject]})

    assert_problem(answer, 422, "One field is not as the schema", [f"subjects[{count - 1}].prediction_id"])
    assert kept(outbox) == []


def test_a_record_is_kept_as_it_was_sent(client, record, outbox):
    sent = record | {"departs": "2013-12-31T23:59:58.250000", "carrier": 'Zoë \u2028 \n "x" 🛫', "delay": None}
    del sent["season"]

    assert client.post("/predict", json=sent).status_code == 200

    assert kept(outbox)[0]["features"] == sent


def test_a_refused_record_is_not_kept(client, record, outbox):
    client.post("/predict", json=record | {"distance": 1.0})

    assert kept(outbox) == []


def fill(client, record):
    """Fills an outbox of a million bytes."""
    for _ in range(2):
        records = [{**record, "carrier": f"{number:0500d}"} for number in range(600)]
        client.post("/predict/batch", json={"records": records})


def test_a_full_outbox_refuses_with_503_and_the_others_go_on(client_of, record, outbox):
    client = client_of(outbox_max_bytes=1_000_000)
    fill(client, record)
    before = len(kept(outbox))

    answer = client.post("/predict", json=record)
    batch = client.post("/predict/batch", json={"records": [record]})

    assert_problem(answer, 503, r"OUTBOX_MAX_BYTES.*1,000,000|1,000,000.*OUTBOX_MAX_BYTES")
    assert answer.headers["retry-after"] == "1"
    assert_problem(batch, 503, "OUTBOX_MAX_BYTES")
    assert len(kept(outbox)) == before
    assert client.get("/healthz").status_code == 200
    assert client.get("/model").status_code == 200


def test_predictions_that_were_refused_for_a_full_outbox_are_not_counted(client_of, record, outbox):
    client = client_of(outbox_max_bytes=1_000_000)
    fill(client, record)
    counted = samples(client.get("/metrics").text)

    client.post("/predict", json=record)

    after = samples(client.get("/metrics").text)
    for name in ("prediction_api_predictions_total", "prediction_api_probability_count"):
        assert {key: value for key, value in counted.items() if key[0] == name} == {
            key: value for key, value in after.items() if key[0] == name
        }
    assert counted["prediction_api_probability_count",] == len(kept(outbox))


# Keys


@pytest.mark.parametrize("key", [None, "anything"])
def test_without_api_keys_everyone_is_answered_and_no_caller_is_kept(client, record, outbox, key):
    answer = client.post("/predict", json=record, headers={"x-api-key": key} if key else {})

    assert answer.status_code == 200
    assert kept(outbox)[0]["caller"] is None


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
@pytest.mark.parametrize("headers", [{}, {"x-api-key": ""}, {"x-api-key": "wrong"}, {"authorization": "Bearer right"}])
def test_with_api_keys_a_call_without_one_of_them_is_refused(client_of, record, outbox, path, headers):
    answer = client_of(api_keys=pair("web", "right")).post(path, json=record, headers=headers)

    assert_problem(answer, 401, "X-API-Key")
    assert answer.headers["www-authenticate"] == "ApiKey"
    assert kept(outbox) == []


def test_the_digest_of_a_key_is_no_key(client_of, record):
    client = client_of(api_keys=pair("web", "right"))

    assert client.post("/predict", json=record, headers={"x-api-key": api_keys.digest("right")}).status_code == 401


def test_the_name_that_belongs_to_the_key_is_kept_as_the_caller(client_of, record, outbox):
    client = client_of(api_keys=f"{pair('ci', 'first')}, {pair('web', 'second')}")

    for key in ("second", "first"):
        assert client.post("/predict", json=record, headers={"x-api-key": key}).status_code == 200
    assert client.post("/predict/batch", json={"records": [record]}, headers={"x-api-key": "first"}).status_code == 200

    assert [line["caller"] for line in kept(outbox)] == ["web", "ci", "ci"]


def test_an_admin_key_does_not_predict_and_an_api_key_does_not_reload(client_of, record):
    client = client_of(api_keys=pair("web", "web"), admin_keys=pair("boss", "boss"))

    assert_problem(client.post("/predict", json=record, headers={"x-api-key": "boss"}), 401, "API_KEYS")
    assert_problem(client.post("/reload", headers={"x-api-key": "web"}), 401, "ADMIN_KEYS")


@pytest.mark.parametrize("path", ["/model", "/healthz", "/readyz", "/metrics", "/openapi.json"])
def test_who_watches_needs_no_key(client_of, path):
    assert client_of(api_keys=pair("web", "right")).get(path).status_code == 200


# Another model


@pytest.mark.parametrize("key", [None, "", "anything"])
def test_without_admin_keys_nobody_may_reload(client, key):
    answer = client.post("/reload", headers={} if key is None else {"x-api-key": key})

    assert_problem(answer, 401, "ADMIN_KEYS")


def test_a_reload_takes_the_model_that_is_there_now(client_of, make_model, record):
    client = client_of(admin_keys=pair("boss", "key"))
    before = client.post("/predict", json=record).json()
    make_model(bias=-2.0)

    answer = client.post("/reload", headers={"x-api-key": "key"})

    after = client.post("/predict", json=record).json()
    assert (answer.status_code, answer.json()) == (200, {"changed": True, "model_version": after["model_version"]})
    assert after["model_version"] == client.get("/model").json()["version"] != before["model_version"]
    assert math.isclose(after["probability"], 1 / (1 + math.exp(1.175)), rel_tol=1e-6)


def test_a_reload_of_the_same_model_changes_nothing(client_of):
    client = client_of(admin_keys=pair("boss", "key"))
    version = client.get("/model").json()["version"]

    assert client.post("/reload", headers={"x-api-key": "key"}).json() == {"changed": False, "model_version": version}


def test_a_bad_model_leaves_the_old_one_answering_and_is_told_by_readyz_and_the_metrics(client_of, make_model, record):
    client = client_of(admin_keys=pair("boss", "key"))
    version = client.get("/model").json()["version"]
    folder = make_model(bias=1.0)
    (folder / "model.onnx").write_bytes(b"not a graph")

    answer = client.post("/reload", headers={"x-api-key": "key"})

    assert_problem(answer, 502, rf"model\.onnx.*Version {version} goes on answering")
    assert client.post("/predict", json=record).json()["model_version"] == version
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert "model.onnx" in ready.json()["checks"]["model"]["reload"]
    found = samples(client.get("/metrics").text)
    assert found["prediction_api_reload_failing",] == 1
    assert found["prediction_api_reloads_total", ("outcome", "failed")] == 1

    make_model(bias=1.0)
    assert client.post("/reload", headers={"x-api-key": "key"}).json()["changed"] is True
    assert client.get("/readyz").json()["checks"]["model"]["reload"] == "ok"
    assert samples(client.get("/metrics").text)["prediction_api_reload_failing",] == 0


# Refusals


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/xml", "application/json; charset=utf-16", "multipart/form-data; boundary=x", "", "*/*", ";"],
)
def test_another_media_type_is_refused(client, record, path, content_type):
    answer = client.post(path, content=json.dumps(record), headers={"content-type": content_type})

    assert_problem(answer, 415, r"application/json.*UTF-8")


def test_lines_are_refused_where_one_record_is_wanted(client, record):
    assert_problem(client.post("/predict", content=json.dumps(record), headers=NDJSON), 415, "application/json")


@pytest.mark.parametrize(
    "content_type",
    [
        *("application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"', "application/json;"),
        *("application/json; version=1", "application/json;odata=verbose", 'application/json; a=";"; charset=utf-8'),
    ],
)
def test_json_is_taken_however_its_media_type_is_spelled(client, record, content_type):
    assert client.post("/predict", content=json.dumps(record), headers={"content-type": content_type}).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate"])
def test_a_compressed_body_is_refused(client, record, encoding):
    answer = client.post("/predict", json=record, headers={"content-encoding": encoding})

    assert_problem(answer, 415, f"encoded as {encoding}")


def test_an_encoding_is_found_behind_one_that_changes_nothing(client, record):
    headers = [("content-encoding", "identity"), ("content-encoding", "gzip")]

    assert_problem(client.post("/predict", json=record, headers=headers), 415, "encoded as gzip")


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
def test_a_body_of_more_than_max_body_bytes_is_refused_and_one_of_so_many_is_not(client_of, record, outbox, path):
    client = client_of(max_body_bytes=1000)
    text = json.dumps({"records": [record]} if path.endswith("batch") else record)

    assert client.post(path, content=text.ljust(1000), headers={"content-type": "application/json"}).status_code == 200
    answer = client.post(path, content=text.ljust(1001), headers={"content-type": "application/json"})

    assert_problem(answer, 413, r"at most 1,000 bytes \(MAX_BODY_BYTES\)")
    assert len(kept(outbox)) == 1


def test_a_body_that_does_not_arrive_in_request_seconds_is_refused(make_server):
    server = make_server(REQUEST_SECONDS=0.5)
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=10) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
        head, _, body = b"".join(iter(lambda: connection.recv(65_536), b"")).partition(b"\r\n\r\n")

    first, *fields = head.decode().lower().split("\r\n")
    headers = dict(field.split(": ") for field in fields)
    assert first.startswith("http/1.1 408 ")
    assert headers["connection"] == "close"
    assert_problem(httpx.Response(408, headers=headers, content=body), 408, r"within 0\.5 seconds \(REQUEST_SECONDS\)")


@pytest.mark.parametrize("body", ["", "{", "{'a': 1}", "[1,]", '{"a": 01}', '{"a": "\\ud800"}', "{} {}"])
def test_a_body_that_is_no_json_is_refused(client, body):
    answer = client.post("/predict", content=body, headers={"content-type": "application/json"})

    assert_problem(answer, 400, r"should be JSON in UTF-8; .* at line 1 column \d+\.")


@pytest.mark.parametrize("body", ["null", "[]", "1", '"text"', "true"])
def test_json_that_is_no_object_is_refused(client, body):
    for path in ("/predict", "/predict/batch"):
        answer = client.post(path, content=body, headers={"content-type": "application/json"})

        assert_problem(answer, 422, "One field", ["the body"])
        assert answer.json()["errors"][0]["wanted"] == "a JSON object"


@pytest.mark.parametrize(
    ("field", "value", "wanted", "got"),
    [
        ("distance", "far", "a number of miles from 10 to 6000", "'far'"),
        ("distance", "800", "a number of miles from 10 to 6000", "'800'"),
        ("distance", True, "a number of miles from 10 to 6000", "true"),
        ("distance", None, "a number of miles from 10 to 6000", "null"),
        ("distance", 6000.1, "a number of miles from 10 to 6000", "6000.1"),
        ("distance", [800.0], "a number of miles from 10 to 6000", "a JSON array"),
        ("delay", {}, "a number of minutes, or null", "a JSON object"),
        ("delay", 1e39, "a number of minutes, or null", "1e+39"),
        ("carrier", 7, "a text of 1 to 500 characters, or null", "7"),
        ("carrier", "x" * 501, "a text of 1 to 500 characters, or null", f"'{'x' * 59}..."),
        ("season", "spring", "one of summer, winter, or null", "'spring'"),
        (
            "departs",
            "2013-05-19T14:15:00Z",
            "a date and time such as 2013-05-19T14:15:00, without a time zone",
            "'2013-05-19T14:15:00Z'",
        ),
        ("departs", 1368972900, "a date and time such as 2013-05-19T14:15:00, without a time zone", "1368972900"),
        ("departs", "today", "a date and time such as 2013-05-19T14:15:00, without a time zone", "'today'"),
    ],
)
def test_a_faulty_field_is_named_with_what_was_wanted_and_what_was_got(client, record, field, value, wanted, got):
    answer = client.post("/predict", json=record | {field: value})

    assert_problem(answer, 422, "One field", [field])
    assert answer.json()["errors"] == [{"field": field, "wanted": wanted, "got": got}]


def test_every_faulty_field_is_named_and_a_near_name_is_proposed(client, record):
    del record["delay"]

    answer = client.post("/predict", json=record | {"distance": 1, "distanc": 2, "zzz": 3})

    assert_problem(answer, 422, "4 fields", ["distance", "delay", "distanc", "zzz"])
    assert answer.json()["errors"][1:] == [
        {"field": "delay", "wanted": "a number of minutes, or null", "got": "nothing"},
        {"field": "distanc", "wanted": "a field of the schema, such as distance", "got": "an unknown field, distanc"},
        {"field": "zzz", "wanted": "a field of the schema", "got": "an unknown field, zzz"},
    ]


def test_an_answer_names_at_most_a_hundred_faults(client, record):
    records = [record | {"distance": 1}] * 150

    assert len(client.post("/predict/batch", json={"records": records}).json()["errors"]) == 100
    assert len(client.post("/predict/batch", content=lines_of(records), headers=NDJSON).json()["errors"]) == 100


def test_a_very_long_unknown_field_is_shown_cut_short(client, record):
    answer = client.post("/predict", json=record | {"k" * 100_000: 1})

    assert answer.status_code == 422
    assert len(answer.content) < 2_000


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/predict", {"POST"}),
        ("DELETE", "/predict/batch", {"POST"}),
        ("POST", "/model", {"GET"}),
        ("POST", "/healthz", {"GET"}),
        ("GET", "/reload", {"POST"}),
    ],
)
def test_another_method_is_refused_with_those_that_are_allowed(client, method, path, allowed):
    answer = client.request(method, path)

    assert_problem(answer, 405, f"This path takes {', '.join(allowed)}")
    assert set(answer.headers["allow"].split(", ")) - {"HEAD"} == allowed


@pytest.mark.parametrize("path", ["/nothing", "/predict/x", "/Predict", "/%00"])
def test_an_unknown_path_is_a_404(client, path):
    assert_problem(client.get(path, follow_redirects=False), 404, "Not Found")


def test_a_slash_at_the_end_is_another_path(client, record):
    assert client.post("/predict/", json=record, follow_redirects=False).status_code == 404


def test_the_root_leads_to_the_page(client):
    answer = client.get("/", follow_redirects=False)

    assert (answer.status_code, answer.headers["location"].rpartition("/")[2]) == (307, "docs")


def test_an_unforeseen_failure_is_a_500_with_the_request_id_and_without_a_traceback(make_settings, log):
    async def broken():
        raise RuntimeError("a secret of the inside")

    app = create_app(make_settings())
    app.add_api_route("/broken", broken)
    with TestClient(app) as client:
        answer = client.get("/broken", headers={"x-request-id": "mine"})
        ok = client.get("/healthz")

    assert_problem(answer, 500, "under request mine")
    assert answer.headers["x-request-id"] == "mine"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert ok.status_code == 200
    (line,) = [found for found in map(json.loads, log.getvalue().splitlines()) if found["level"] == "error"]
    assert line["request_id"] == "mine"
    assert "RuntimeError: a secret of the inside" in line["traceback"]


def test_a_failure_is_counted_as_a_500(make_settings):
    async def broken():
        raise RuntimeError

    app = create_app(make_settings())
    app.add_api_route("/broken", broken)
    with TestClient(app) as client:
        client.get("/broken")
        found = samples(client.get("/metrics").text)

    assert found["prediction_api_request_seconds_count", ("route", "/broken"), ("status", "500")] == 1


# The limit on concurrency


def test_requests_beyond_max_concurrency_are_refused_while_those_who_watch_get_through(make_settings, record):
    text = json.dumps(record).encode()

    async def asked():
        async with running(make_settings(max_concurrency=2)) as app:
            come = asyncio.Event()

            async def at_once():
                return {"type": "http.request", "body": text, "more_body": False}

            def slow():
                """A body that is too large to be read ahead, and whose rest comes later."""
                parts = [{"type": "http.request", "body": b" " * READ_AHEAD_BYTES, "more_body": True}]

                async def receive():
                    if parts:
                        return parts.pop()
                    await come.wait()
                    return await at_once()

                return receive

            first = [asyncio.create_task(ask(app, "/predict", slow())) for _ in range(2)]
            await asyncio.sleep(0.05)
            refused = await ask(app, "/predict", at_once)
            model = await ask(app, "/model", never, "GET")
            inferred = await ask(app, "/v2/models/tiny/infer", at_once)
            watched = [await ask(app, path, never, "GET") for path in WATCHED]
            come.set()
            answered = await asyncio.gather(*first)
            again = await ask(app, "/predict", at_once)
            return refused, model, inferred, watched, answered, again

    refused, model, inferred, watched, answered, again = asyncio.run(asked())

    assert_problem(refused, 503, r"2 requests are being answered \(MAX_CONCURRENCY\)")
    assert refused.headers["retry-after"] == "1"
    assert_problem(model, 503, "MAX_CONCURRENCY")
    assert inferred.status_code == 503
    assert [one.status_code for one in watched] == [200] * len(WATCHED)
    assert [one.status_code for one in answered] == [200] * 2
    assert again.status_code == 200


def test_a_request_that_failed_gives_its_place_to_the_next(client_of, record):
    client = client_of(max_concurrency=1)

    for _ in range(3):
        assert client.post("/predict", json=record | {"distance": 1}).status_code == 422
        assert client.get("/nothing").status_code == 404
    assert client.post("/predict", json=record).status_code == 200


# The id of a request


def test_a_plain_request_id_comes_back(client, record):
    for given in ("a", "A.b_c:d-9", "x" * 128):
        assert client.post("/predict", json=record, headers={"x-request-id": given}).headers["x-request-id"] == given


def test_a_request_without_an_id_gets_one_of_its_own(client):
    made = [client.get("/healthz").headers["x-request-id"] for _ in range(2)]

    assert {uuid.UUID(one).version for one in made} == {7}
    assert made[0] < made[1]


@pytest.mark.parametrize("given", ["", " ", "a b", "x" * 129, 'a"b', "{}", b"\xff", "a\tb"])
def test_an_odd_request_id_is_replaced(client, given):
    made = client.get("/healthz", headers={"x-request-id": given}).headers.get_list("x-request-id")

    assert len(made) == 1
    assert uuid.UUID(made[0]).version == 7


@pytest.mark.parametrize("path", ["/nothing", "/predict"])
def test_a_refusal_carries_the_request_id_too(client, path):
    assert client.delete(path, headers={"x-request-id": "mine"}).headers["x-request-id"] == "mine"


# Those who watch


def test_model_tells_name_version_digests_metrics_schema_and_lineage(client_of, make_model):
    folder = make_model(card={"purpose": "To show *one*.", "uses": ["Here."]})
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}

    told = client_of(model_uri=str(folder), git_commit="c0ffee").get("/model").json()

    assert set(told) == {"name", "version", "sha256", "threshold", "question", "card", "metrics", "lineage", "schema"}
    assert told["card"] == {"purpose": "To show *one*.", "uses": ["Here."]}
    assert told["sha256"] == digests
    assert told["name"] == "tiny"
    assert told["version"] == digests["metadata.json"][:12]
    assert (told["threshold"], told["question"]) == (0.5, {"late_minutes": 15})
    assert told["metrics"]["validation"] == {"roc_auc": 0.77}
    assert told["schema"] == json.loads((folder / "schema.json").read_text())
    lineage = told["lineage"]
    assert (lineage["uri"], lineage["git_commit"]) == (str(folder), "c0ffee")
    assert lineage["data"] == {"train.parquet": "0" * 64}


def test_a_model_from_before_has_no_card(client):
    assert client.get("/model").json()["card"] is None


def test_healthz_answers_that_the_process_is_alive(client):
    answer = client.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


def test_readyz_names_the_model_and_the_outbox(client, record):
    client.post("/predict", json=record)

    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json()["status"] == "ready"
    checks = answer.json()["checks"]
    assert set(checks) == {"model", "outbox"}
    assert checks["model"] == {"ok": True, "version": client.get("/model").json()["version"], "reload": "ok"}
    assert checks["outbox"].pop("bytes") > 100
    assert checks["outbox"] == {"ok": True, "waiting": 1, "writing": "ok", "delivery": "off", "deployments": "off"}


def test_readyz_is_503_and_names_the_outbox_once_it_is_full(client_of, record):
    client = client_of(outbox_max_bytes=1_000_000)
    fill(client, record)

    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
    assert answer.headers["retry-after"] == "1"
    checks = answer.json()["checks"]
    assert (checks["model"]["ok"], checks["outbox"]["ok"], checks["outbox"]["writing"]) == (True, False, "full")
    for path, about in (("/v2/health/ready", {}), ("/v2/models/tiny/ready", {"name": "tiny"})):
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (503, {**about, "ready": False})
        assert answer.headers["retry-after"] == "1"


def test_every_metric_that_the_code_names_is_on_the_page(client):
    code = "".join(path.read_text() for path in SOURCE.glob("*.py"))
    named = set(re.findall(r'"(prediction_api_[a-z_]+)"', code)) - set(Settings.model_fields)

    client.get("/healthz")
    page = client.get("/metrics")

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/plain")
    shown = set(re.findall(r"^# TYPE (\S+)", page.text, re.MULTILINE))
    assert len(named) >= 15
    assert named <= shown
    assert all(re.search(rf"^{name}[_{{ ]", page.text, re.MULTILINE) for name in named)


def test_the_metrics_count_requests_predictions_probabilities_warnings_and_what_waits(client, record):
    before = samples(client.get("/metrics").text)
    assert before["prediction_api_outbox_age_seconds",] == 0

    client.post("/predict", json=record)
    client.post("/predict", json=record | {"distance": 1})
    client.post("/predict/batch", json={"records": [record | {"carrier": "ZZ", "delay": -200.0}] * 2})
    after = samples(client.get("/metrics").text)

    moved = {key: value - before.get(key, 0) for key, value in after.items() if value != before.get(key, 0)}
    count = "prediction_api_request_seconds_count"
    assert moved[count, ("route", "/predict"), ("status", "200")] == 1
    assert moved[count, ("route", "/predict"), ("status", "422")] == 1
    assert moved[count, ("route", "/predict/batch"), ("status", "200")] == 1
    assert moved["prediction_api_predictions_total", ("label", "true")] == 1
    assert moved["prediction_api_predictions_total", ("label", "false")] == 2
    assert moved["prediction_api_warnings_total", ("kind", "unseen_category")] == 2
    assert moved["prediction_api_warnings_total", ("kind", "outside_training_range")] == 2
    assert moved["prediction_api_probability_count",] == 3
    assert moved["prediction_api_probability_bucket", ("le", "0.3")] == 2
    assert moved["prediction_api_probability_bucket", ("le", "0.7")] == 3
    assert moved["prediction_api_outbox_predictions",] == 3
    assert moved["prediction_api_outbox_bytes",] > 300
    assert 0 < moved["prediction_api_outbox_age_seconds",] < 60


def test_the_metrics_name_the_one_model_that_answers(client_of, make_model):
    client = client_of(admin_keys=pair("boss", "key"))
    make_model(bias=1.0)
    client.post("/reload", headers={"x-api-key": "key"})

    found = samples(client.get("/metrics").text)

    version = client.get("/model").json()["version"]
    assert [key for key in found if key[0] == "prediction_api_model_info"] == [
        ("prediction_api_model_info", ("name", "tiny"), ("version", version))
    ]
    assert found["prediction_api_reloads_total", ("outcome", "changed")] == 1


def test_paths_that_are_no_route_share_one_label(client):
    for number in range(20):
        client.get(f"/nothing/{number}")

    found = samples(client.get("/metrics").text)

    key = ("prediction_api_request_seconds_count", ("route", "other"), ("status", "404"))
    assert found[key] == 20
    assert not [name for name in found if any("nothing" in value for _, value in name[1:])]


# Other origins


def test_no_origin_is_allowed_by_default(client, record):
    preflight = client.options(
        "/predict", headers={"origin": "https://page.example", "access-control-request-method": "POST"}
    )
    answer = client.post("/predict", json=record, headers={"origin": "https://page.example"})

    assert preflight.status_code == 405
    assert not [name for one in (preflight, answer) for name in one.headers if name.startswith("access-control")]


def test_the_origins_of_the_environment_are_allowed_and_no_others(make_settings, monkeypatch, record):
    monkeypatch.setenv("CORS_ORIGINS", " https://page.example, https://second.example,")
    origins = "https://page.example", "https://second.example", "https://other.example"
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type,x-api-key"}
    allowed = "access-control-allow-origin"

    with TestClient(create_app(make_settings())) as client:
        before = [client.options("/predict", headers={"origin": origin, **asked}) for origin in origins]
        answers = [client.post("/predict", json=record, headers={"origin": origin}) for origin in origins]
        refused = client.post("/predict", json={}, headers={"origin": origins[0]})

    assert [one.status_code for one in before] == [200, 200, 400]
    assert "x-api-key" in before[0].headers["access-control-allow-headers"]
    assert [one.headers.get(allowed) for one in before] == [*origins[:2], None]
    assert [one.headers.get(allowed) for one in answers] == [*origins[:2], None]
    assert answers[0].headers["access-control-expose-headers"] == HEADER_LENGTH
    assert (refused.status_code, refused.headers[allowed]) == (422, origins[0])


# Logs


def logged(server):
    """The lines of a server's log, each parsed as JSON."""
    return [json.loads(line) for line in server.log.read_text().splitlines()]


def test_a_request_is_one_line_of_json_with_its_id_and_without_its_body(make_server, record):
    server = make_server(ACCESS_LOG="true", API_KEYS=pair("web", "right"))
    secret = record | {"carrier": "a-private-carrier"}

    httpx.post(f"{server.url}/predict", json=secret, headers={"x-request-id": "good", "x-api-key": "right"})
    httpx.post(f"{server.url}/predict", json=secret | {"distance": 1}, headers={"x-request-id": "bad", "x-api-key": "right"})
    httpx.post(f"{server.url}/predict", json=secret, headers={"x-request-id": "stranger", "x-api-key": "wrong-key"})
    server.stop()

    lines = {line["request_id"]: line for line in logged(server) if line.get("request_id") in ("good", "bad", "stranger")}
    assert {name: (line["status"], line["caller"]) for name, line in lines.items()} == {
        "good": (200, "web"), "bad": (422, "web"), "stranger": (401, None),
    }  # fmt: skip
    good = lines["good"]
    assert (good["method"], good["path"], good["client"], good["level"]) == ("POST", "/predict", "127.0.0.1", "info")
    assert 0 < good["milliseconds"] < 10_000
    text = server.log.read_text()
    assert not [word for word in ("a-private-carrier", "right", "wrong-key") if word in text]


def test_the_server_logs_nothing_but_json_from_start_to_stop(make_server, record):
    server = make_server(ACCESS_LOG="true")
    httpx.get(f"{server.url}/a%0ab%22?q=%0a")
    server.stop()

    lines = logged(server)
    assert all({"time", "level", "message"} <= set(line) for line in lines)
    assert [line["path"] for line in lines if line.get("status") == 404] == ['/a\nb"']


def test_the_access_log_can_be_off(make_server, record):
    server = make_server(ACCESS_LOG="false")
    httpx.post(f"{server.url}/predict", json=record)
    server.stop()

    assert not [line for line in logged(server) if "request_id" in line]
