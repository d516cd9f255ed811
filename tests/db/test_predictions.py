"""Predictions in bulk: each id once, all of a request or nothing of it, and read as they were written."""

import csv
import io
import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from uuid_utils import uuid7

from data_api.database import bulk_insert, partitions
from data_api.database.engine import create_engine_for, transaction
from data_api.database.migrations_runner import upgrade
from data_api.models import Outcome
from data_api.routes import predictions as routes
from db.ids import id_at


@pytest.fixture
def post(client, as_service):
    return lambda *rows: client.post("/predictions", json={"predictions": rows}, headers=as_service)


@pytest.fixture
def get(client, as_reader):
    def page(**query):
        answer = client.get("/predictions", params=query, headers=as_reader)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return page


def ids(rows):
    return [row["prediction_id"] for row in rows]


def written(client):
    lines = client.get("/metrics").text.splitlines()
    return next(
        float(line.split()[1]) for line in lines if line.startswith('data_api_rows_written_total{table="predictions"}')
    )


def test_the_same_request_twice_is_recorded_once(client, post, get, prediction):
    rows = [prediction() for _ in range(3)]

    first, second = post(*rows), post(*rows)

    assert (first.status_code, first.json()) == (201, {"recorded": 3, "known": 0})
    assert (second.status_code, second.json()) == (201, {"recorded": 0, "known": 3})
    assert ids(get(order="oldest")["predictions"]) == ids(rows)
    assert written(client) == 3


def test_what_is_new_is_recorded_beside_what_is_known(post, prediction):
    known, new = prediction(), prediction()
    post(known)

    assert post(new, known).json() == {"recorded": 1, "known": 1}


OTHER = {
    "probability": 0.2500001,
    "label": True,
    "threshold": 0.6,
    "model_version": "two",
    "warnings": [{"field": "carrier", "kind": "unseen_category", "detail": "'ZZ'"}],
    "model_name": "else",
    "caller": "web",
    "features": {"carrier": "UA"},
}


@pytest.mark.parametrize("field", [*OTHER, "time"])
def test_the_same_id_with_other_content_is_refused_by_name_and_nothing_is_recorded(client, post, get, prediction, field):
    known = prediction()
    post(known)
    later = (datetime.fromisoformat(known["time"]) + timedelta(microseconds=1)).isoformat()

    answer = post(prediction(), {**known, field: OTHER.get(field, later)}, prediction())

    assert answer.status_code == 409
    assert answer.json()["detail"].startswith(f"Prediction {known['prediction_id']} is recorded with another {field}.")
    assert [fault["field"] for fault in answer.json()["errors"]] == [f"predictions.1.{field}"]
    assert ids(get()["predictions"]) == ids([known])
    assert written(client) == 1


@pytest.mark.parametrize(("one", "other", "status"), [(1, True, 409), (False, 0, 409), (0.0, False, 409), (1, 1.0, 201)])
def test_true_is_other_content_than_one(post, prediction, one, other, status):
    known = prediction(features={"a": one})
    post(known)
    assert post({**known, "features": {"a": other}}).status_code == status


def test_an_id_twice_in_one_request_counts_once_if_it_is_the_same(post, get, prediction):
    row = prediction()

    assert post(row, row).json() == {"recorded": 1, "known": 1}
    other = prediction()
    assert post(other, {**other, "label": True}).status_code == 409
    assert ids(get()["predictions"]) == ids([row])


def test_the_same_moment_in_another_zone_is_the_same(post, prediction):
    row = prediction(time="2026-11-24T10:00:00+00:00", prediction_id=id_at(datetime(2026, 11, 24, 10, tzinfo=UTC)))
    post(row)

    assert post({**row, "time": "2026-11-24T11:00:00+01:00"}).json() == {"recorded": 0, "known": 1}


def test_ten_thousand_at_once_are_taken_and_one_more_is_refused(post, prediction):
    rows = [prediction() for _ in range(10_001)]

    assert post(*rows[1:]).json() == {"recorded": 10_000, "known": 0}
    answer = post(*rows)
    assert answer.status_code == 422
    assert "10000" in answer.json()["errors"][0]["wanted"]


def test_a_lower_limit_of_rows_is_said_by_name(make_client, as_service, prediction):
    client = make_client(max_rows=2)

    answer = client.post("/predictions", json={"predictions": [prediction() for _ in range(3)]}, headers=as_service)

    assert answer.status_code == 422
    assert answer.json()["detail"] == "A request may hold 2 predictions (MAX_ROWS); this one holds 3."


def test_callers_that_send_the_same_rows_in_other_orders_at_once_wait_for_each_other(post, prediction):
    rows = [prediction() for _ in range(400)]
    shuffled = [random.sample(rows, len(rows)) for _ in range(8)]

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda some: post(*some), shuffled))

    assert [answer.status_code for answer in answers] == [201] * 8
    assert sum(answer.json()["recorded"] for answer in answers) == 400


def test_two_requests_with_the_same_rows_in_opposite_orders_end(postgresql_url):
    """Each inserts a few thousand rows while the other does: in the orders that they came in, one would be cut off."""
    engine = create_engine_for(postgresql_url)
    upgrade(engine)
    now = datetime.now(UTC)
    rows = [{"prediction_id": UUID(str(uuid7())), "outcome": True, "time": now, "received_at": now} for _ in range(8000)]
    with transaction(engine) as session:
        partitions.create_ahead(session, now)
    both = threading.Barrier(2)

    def insert(some):
        with transaction(engine) as session:
            both.wait(10)
            return bulk_insert.insert(session, Outcome, some)

    for start in range(0, 8000, 2000):
        part = rows[start : start + 2000]
        with ThreadPoolExecutor(2) as threads:
            assert sum(threads.map(insert, [part, part[::-1]])) == 2000
    engine.dispose()


def test_what_is_read_is_what_was_written(post, get, prediction):
    row = prediction(
        probability=0.1 + 0.2,
        threshold=5e-324,
        caller="w\u00e9b",
        warnings=[{"field": "a", "kind": "b", "detail": "'\U0001f600'"}],
        features={
            "nul": "a\0b", "emoji": "\U0001f600", "quote": "'; DROP TABLE predictions; --", "back": "\\N\t\n",
            "large": 2**63 + 1, "small": 5e-324, "exact": 0.1 + 0.2, "one": 1, "true": True, "none": None, "": "",
        },
    )  # fmt: skip
    post(row)

    (found,) = get()["predictions"]

    assert datetime.fromisoformat(found.pop("time")) == datetime.fromisoformat(row.pop("time"))
    assert found == {**row, "subject": None, "as_of": None, "log_position": None, "official": None, "outcome": None}
    assert isinstance(found["features"]["one"], int)


@pytest.fixture
def moments(post, prediction):
    """Ten predictions, a millisecond apart, of two versions and labels; gives the first moment and the ids."""
    first = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    moments = [first + timedelta(milliseconds=number) for number in range(10)]
    rows = [
        prediction(
            prediction_id=id_at(moment), model_version="one" if number < 6 else "two", label=number % 2 == 0,
            time=moment.isoformat(),
        )
        for number, moment in enumerate(moments)
    ]  # fmt: skip
    assert post(*random.sample(rows, 10)).status_code == 201
    return first, ids(rows)


def test_predictions_are_found_by_time_version_and_label(get, moments):
    first, made = moments
    millisecond = timedelta(milliseconds=1)

    def found(**query):
        return ids(get(**{"order": "oldest", **query})["predictions"])

    assert found() == made
    assert ids(get()["predictions"]) == made[::-1]
    assert found(since=(first + 3 * millisecond).isoformat()) == made[3:]
    assert found(until=(first + 3 * millisecond).isoformat()) == made[:3]
    assert found(since=(first + timedelta(microseconds=2001)).isoformat()) == made[3:]
    assert found(since=first.isoformat(), until=first.isoformat()) == []
    assert found(model_version="two") == made[6:]
    assert found(model_version="two", label=True) == made[6::2]
    assert found(label=False) == made[1::2]
    assert found(model_version="nobody's") == []


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_pages_visit_each_prediction_once_while_new_ones_arrive(get, post, prediction, moments, order):
    _, made = moments
    seen, cursor = [], None
    while True:
        page = get(order=order, limit=3, **({"cursor": cursor} if cursor else {}))
        seen += ids(page["predictions"])
        cursor = page["next"]
        if cursor is None or len(seen) > 50:
            break
        if len(seen) < 9:
            post(prediction())

    assert len(seen) == len(set(seen))
    assert seen[:10] == (made if order == "oldest" else made[::-1])


def test_the_last_page_has_no_next(get, moments):
    assert get(limit=10)["next"] is None
    assert get(limit=9)["next"] is not None


def test_an_export_holds_all_of_them_over_several_pages(client, as_reader, as_service, post, prediction, monkeypatch):
    monkeypatch.setattr(routes, "EXPORT_PAGE_ROWS", 4)
    rows = [prediction(label=number % 3 == 0, features={"text": 'a,"b"\n' * number}) for number in range(12)]
    post(*rows)
    outcomes = [{"prediction_id": row["prediction_id"], "outcome": row["label"]} for row in rows[:5]]
    client.post("/outcomes", json={"outcomes": outcomes}, headers=as_service)

    def export(**query):
        answer = client.get("/predictions", params={"order": "oldest", **query}, headers=as_reader)
        return answer.headers["content-type"], answer.text

    kind, text = export(format="ndjson")
    lines = [json.loads(line) for line in text.splitlines()]
    assert kind == "application/x-ndjson"
    assert ids(lines) == ids(rows)
    assert [line["outcome"] for line in lines] == [row["label"] for row in rows[:5]] + [None] * 7

    kind, text = export(format="csv")
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    assert kind.startswith("text/csv")
    assert list(table[0]) == [*lines[0]]
    assert [json.loads(row["features"]) for row in table] == [row["features"] for row in rows]
    assert [float(row["probability"]) for row in table] == [row["probability"] for row in rows]
    assert [row["outcome"] for row in table] == [str(row["label"]).lower() for row in rows[:5]] + [""] * 7

    assert len(export(format="ndjson", limit=2)[1].splitlines()) == 2
    assert len(export(format="csv", label=True)[1].split("\r\n")) == 1 + 4 + 1


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1"])
def test_a_text_in_csv_is_no_formula_and_in_ndjson_as_it_was(client, as_reader, post, prediction, text):
    names = {"model_name": text, "model_version": text, "caller": text}
    assert post(
        prediction(**names, features={text: text}, warnings=[{"field": text, "kind": text, "detail": text}])
    ).is_success

    def export(kind):
        return client.get(f"/predictions?format={kind}", headers=as_reader).text

    (row,) = csv.DictReader(io.StringIO(export("csv"), newline=""))
    assert {name: row[name] for name in names} == dict.fromkeys(names, f"'{text}")
    assert not [cell for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]
    assert {name: json.loads(export("ndjson"))[name] for name in names} == names


def test_an_empty_export_of_csv_names_its_columns(client, as_reader):
    text = client.get("/predictions?format=csv", headers=as_reader).text

    assert text.split("\r\n")[0].split(",")[0] == "prediction_id"
    assert client.get("/predictions?format=ndjson", headers=as_reader).text == ""


def test_an_outcome_is_shown_with_its_prediction(client, as_service, get, post, prediction):
    row = prediction()
    post(row)
    client.post(
        "/outcomes", json={"outcomes": [{"prediction_id": row["prediction_id"], "outcome": True}]}, headers=as_service
    )

    assert get()["predictions"][0]["outcome"] is True


def test_a_month_ago_and_now_are_found_together(get, post, prediction):
    old = datetime.now(UTC) - timedelta(days=40)
    rows = [prediction(prediction_id=id_at(old), time=old.isoformat()), prediction()]

    assert post(*rows).json() == {"recorded": 2, "known": 0}
    assert ids(get(order="oldest")["predictions"]) == ids(rows)
