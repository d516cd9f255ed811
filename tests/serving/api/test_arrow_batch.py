"""Batches as Arrow streams over HTTP: answered, kept, counted and refused as batches in JSON are."""

import json
from datetime import datetime

import pyarrow as pa
import pytest

from service_kit.api_keys import digest
from serving.arrow.streams import ARROW, SCHEMA, stream, table_of
from serving.kept import OWN, without_own
from serving.kept import kept_lines as lines

URL = "/predict/batch"
JSON = "application/json"


@pytest.fixture
def records(record):
    """Records of which some get warnings, in more than one batch of the stream."""
    odd = {"carrier": 'Ž"%s', "season": None, "delay": 1e4, "departs": "2014-01-01T00:00:00"}
    changes = [odd if number % 3 == 0 else {"delay": None} if number % 5 == 1 else {} for number in range(40)]
    return [{**record, "distance": 100.0 + number, **change} for number, change in enumerate(changes)]


@pytest.fixture
def body(records):
    """The records as an Arrow stream of two batches."""
    rows = [{**record, "departs": datetime.fromisoformat(record["departs"])} for record in records]
    return stream(pa.concat_tables([pa.Table.from_pylist(rows[:15], SCHEMA), pa.Table.from_pylist(rows[15:], SCHEMA)]))


def post(client, body, accept=None, url=URL, **headers):
    return client.post(
        url, content=body, headers={"content-type": ARROW, **({"accept": accept} if accept else {}), **headers}
    )


def without_ids(answers):
    return [{name: value for name, value in answer.items() if name not in OWN} for answer in answers]


def test_a_stream_is_answered_with_a_stream_that_holds_what_json_would(client, records, body):
    answer = post(client, body)
    expected = client.post(URL, json={"records": records}).json()["predictions"]

    assert (answer.status_code, answer.headers["content-type"]) == (200, ARROW)
    assert without_ids(table_of(answer.content).to_pylist()) == without_ids(expected)
    assert len(set(table_of(answer.content)["prediction_id"].to_pylist())) == len(records)


def test_the_lines_that_are_kept_are_those_of_json_to_the_byte(client, records, body, outbox):
    answer = post(client, body)
    client.post(URL, json={"records": records})

    kept = lines(outbox)
    assert [*map(without_own, kept[:40])] == [*map(without_own, kept[40:])]
    assert [json.loads(line)["prediction_id"] for line in kept[:40]] == table_of(answer.content)["prediction_id"].to_pylist()


def test_a_column_that_was_left_out_is_not_kept(client, body, outbox):
    assert post(client, stream(table_of(body).drop(["season"]))).status_code == 200

    assert all("season" not in json.loads(line)["features"] for line in lines(outbox))


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", ARROW),
        (ARROW, ARROW),
        (f"{ARROW};q=0.9, */*", ARROW),
        (JSON, JSON),
        (f"{JSON}, text/plain", JSON),
        (f"{ARROW}, {JSON}", ARROW),
    ],
)
def test_accept_chooses_the_form_of_the_answer(client, records, body, accept, content_type):
    answer = post(client, body, accept)

    assert answer.headers["content-type"] == content_type
    count = table_of(answer.content).num_rows if content_type == ARROW else len(answer.json()["predictions"])
    assert count == len(records)


def test_records_in_json_and_lines_may_be_answered_with_a_stream(client, records):
    in_json = client.post(URL, json={"records": records}, headers={"accept": ARROW})
    in_lines = client.post(
        URL, content="\n".join(map(json.dumps, records)), headers={"accept": ARROW, "content-type": "application/x-ndjson"}
    )
    expected = client.post(URL, json={"records": records}).json()["predictions"]

    for answer in (in_json, in_lines):
        assert without_ids(table_of(answer.content).to_pylist()) == without_ids(expected)


def test_a_dry_run_has_no_ids_and_keeps_and_counts_nothing(client, body, outbox):
    answer = post(client, body, url=f"{URL}?dry_run=true")

    assert table_of(answer.content)["prediction_id"].to_pylist() == [None] * 40
    assert lines(outbox) == []
    assert 'prediction_api_predictions_total{label="true"} 0.0' in client.get("/metrics").text


def test_reasons_are_refused_in_a_sentence(client, records, body):
    for answer in (
        post(client, body, url=f"{URL}?reasons=true"),
        post(client, body, JSON, url=f"{URL}?reasons=true"),
        client.post(f"{URL}?reasons=true", json={"records": records}, headers={"accept": ARROW}),
    ):
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith("Arrow streams hold no reasons; ask for them with records in JSON")


def test_subjects_are_refused_where_the_answer_is_a_stream(client, records, outbox):
    content = {"records": records[:1], "subjects": [None]}

    answer = client.post(URL, json=content, headers={"accept": ARROW})

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "subjects")
    assert lines(outbox) == []


def test_predictions_and_warnings_are_counted_as_those_of_json(client_of, records, body, tmp_path):
    counts = []
    for number, send in enumerate(
        (lambda client: post(client, body), lambda client: client.post(URL, json={"records": records}))
    ):
        client = client_of(outbox_dir=tmp_path / f"outbox-{number}")
        send(client)
        page = client.get("/metrics").text.splitlines()
        names = ("prediction_api_predictions_total", "prediction_api_probability_", "prediction_api_warnings_total")
        counts.append([line for line in page if line.startswith(names)])

    assert counts[0] == counts[1]
    assert any(line.endswith(" 14.0") for line in counts[0])


def test_the_caller_is_kept_and_a_call_without_a_key_refused(client_of, body, outbox):
    client = client_of(api_keys=f"web:{digest('k' * 43)}")

    assert post(client, body).status_code == 401
    assert post(client, body, **{"x-api-key": "k" * 43}).status_code == 200
    assert {json.loads(line)["caller"] for line in lines(outbox)} == {"web"}


def test_a_fault_is_named_and_nothing_is_kept(client, body, outbox):
    table = table_of(body)
    faulty = table.set_column(3, "distance", pa.array([100.0] * 17 + [7.0] + [100.0] * 22))

    answer = post(client, stream(faulty))

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["errors"] == [
        {"field": "records[17].distance", "wanted": "a number of miles from 10 to 6000", "got": "7.0"}
    ]
    assert lines(outbox) == []


def test_a_body_that_is_no_stream_is_refused(client, records, outbox):
    for content in (b"", b"{}", json.dumps({"records": records}).encode(), b"ARROW1\0\0" + bytes(100), b"\xff" * 5000):
        answer = post(client, content)

        assert answer.status_code == 400, content[:20]
    assert (
        post(client, b"ARROW1__").json()["detail"] == "The body should be an Arrow IPC stream; no message begins at byte 0."
    )
    assert lines(outbox) == []


def test_compression_is_refused_in_a_sentence(client, body):
    answer = post(client, stream(table_of(body), compression="zstd"))

    assert answer.status_code == 415
    assert "its buffers are compressed; send them as they are" in answer.json()["detail"]


def test_a_full_outbox_refuses_a_stream(client_of, body):
    client = client_of(outbox_max_bytes=1_000_000)

    large = stream(pa.concat_tables([table_of(body)] * 25))

    statuses = [post(client, large).status_code for _ in range(60)]

    assert (statuses[0], statuses[-1], set(statuses)) == (200, 503, {200, 503})
