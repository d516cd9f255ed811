"""Large batches in JSON are read straight into columns: answered, kept and refused as the same records in NDJSON are."""

import json

import pytest

from prediction_api.api.predict_routes import LEAST_BYTES
from prediction_api.model.json_columns import JsonColumnReader
from serving.kept import OWN, kept_lines

URL = "/predict/batch"


@pytest.fixture
def records(record):
    """Records of which some get warnings, larger than what is read at once."""
    odd = {"carrier": 'Ž"%s', "season": None, "delay": -0.0, "departs": "2014-01-01T00:00:00"}
    changes = [odd if number % 3 == 0 else {"delay": None} if number % 5 == 1 else {} for number in range(400)]
    return [{**record, "distance": 100.0 + number, **change} for number, change in enumerate(changes)]


@pytest.fixture
def read(monkeypatch):
    """The sizes of the batches that were read straight into columns."""
    sizes, plain = [], JsonColumnReader.batch

    def batch(self, body):
        columns = plain(self, body)
        sizes.append(columns.rows)
        return columns

    monkeypatch.setattr(JsonColumnReader, "batch", batch)
    return sizes


def post(client, records, **more):
    body = json.dumps({"records": records, **more})
    assert len(body) > LEAST_BYTES
    return client.post(URL, content=body, headers={"content-type": "application/json"})


def post_lines(client, records):
    body = "\n".join(map(json.dumps, records))
    return client.post(URL, content=body, headers={"content-type": "application/x-ndjson"})


def without_own(answers):
    return [{name: value for name, value in answer.items() if name not in OWN} for answer in answers]


def test_a_large_batch_is_answered_and_kept_as_its_lines_are(client, records, read, outbox):
    answers = post(client, records).json()["predictions"]
    expected = [json.loads(line) for line in post_lines(client, records).text.splitlines()]
    kept = [json.loads(line) for line in kept_lines(outbox)]

    assert read == [len(records)]
    assert without_own(answers) == without_own(expected)
    assert any(answer["warnings"] for answer in answers)
    assert without_own(kept[: len(records)]) == without_own(kept[len(records) :])
    assert [line["prediction_id"] for line in kept[: len(records)]] == [answer["prediction_id"] for answer in answers]


def test_a_fault_in_a_large_batch_is_named_and_nothing_of_it_is_kept(client, records, read, outbox):
    records[300] |= {"distance": "far", "carier": "AA"}

    answer = post(client, records)

    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"records[300].distance", "records[300].carier"}
    assert (read, kept_lines(outbox)) == ([], [])


def test_records_without_an_optional_field_and_those_with_subjects_are_predicted_all_the_same(client, records, read):
    without = [{name: value for name, value in record.items() if name != "season"} for record in records]

    assert len(post(client, without).json()["predictions"]) == len(records)
    assert len(post(client, records, subjects=[None] * len(records)).json()["predictions"]) == len(records)
    assert read == []
