"""The event log: appended once, held to what a model declares, and read in an order that never changes."""

import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from data_api.crud import events
from data_api.database import partitions
from data_api.database.engine import transaction
from data_api.schemas.events import event_id

TABLES = {
    "flights": {
        "key": ["carrier", "flight"],
        "columns": {
            "carrier": {"kind": "category", "nullable": False},
            "flight": {"kind": "number", "minimum": 1, "maximum": 9999, "nullable": False},
            "dep_delay": {"kind": "number", "minimum": -120, "maximum": 2000},
            "origin": {"kind": "category", "categories": ["EWR", "JFK", "LGA"], "nullable": False},
            "time_hour": {"kind": "datetime", "nullable": False},
        },
    },
    "weather": {"key": ["origin"], "columns": {"origin": {"kind": "category"}, "humid": {"kind": "number"}}},
    "airports": {"key": ["origin"], "columns": {"origin": {"kind": "category"}, "altitude": {"kind": "number"}}},
}
FIRST = datetime(2013, 10, 1, 12, tzinfo=UTC)


def event(flight=1, minutes=0, table="flights", **values):
    key = {"carrier": "UA", "flight": flight} if table == "flights" else {"origin": "EWR"}
    known_at = (FIRST + timedelta(minutes=minutes)).isoformat()
    return {"table": table, "key": key, "known_at": known_at, "values": values or {"dep_delay": 5.0}}


def by_id(flight):
    row = {**event(flight), "known_at": FIRST}
    return {event_id(row): row}


@pytest.fixture
def declare(client, as_service):
    def put(tables=TABLES, version="one"):
        reference = {"columns": {}, "probability": None}
        body = {"model_name": "ontime", "reference": reference, "tables": tables}
        answer = client.put(f"/models/{version}", json=body, headers=as_service)
        assert answer.status_code == 200, answer.text

    return put


@pytest.fixture
def post(client, as_service, declare):
    declare()
    return lambda *rows: client.post("/events", json={"events": rows}, headers=as_service)


@pytest.fixture
def follow(client, as_reader):
    def get(**query):
        answer = client.get("/events", params=query, headers=as_reader)
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    return get


def test_events_are_read_in_the_order_in_which_they_were_appended(post, follow):
    later, earlier = event(1, minutes=10), event(2, minutes=0)

    assert post(later, earlier).json() == {"recorded": 2, "known": 0}

    read = follow()
    assert [line["position"] for line in read] == [1, 2]
    assert [line["key"]["flight"] for line in read] == [1, 2]
    assert datetime.fromisoformat(read[0]["known_at"]) == FIRST + timedelta(minutes=10)
    assert read[0]["values"] == {"dep_delay": 5.0}
    assert follow(after=1) == read[1:]


def test_the_same_event_again_changes_nothing_and_a_correction_is_a_later_event(post, follow):
    post(event(1))

    assert post(event(1), event(1, dep_delay=7.0)).json() == {"recorded": 1, "known": 1}
    assert post(event(1), event(1, dep_delay=7.0)).json() == {"recorded": 0, "known": 2}
    assert [line["values"]["dep_delay"] for line in follow()] == [5.0, 7.0]


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"table": "planes"}, "events.1"),
        ({"key": {"carrier": "UA"}}, "events.1.key.flight"),
        ({"key": {"carrier": "UA", "flight": 1, "day": 3}}, "events.1.key.day"),
        ({"key": {"carrier": "UA", "flight": None}}, "events.1.key.flight"),
        ({"table": "weather", "key": {"origin": None}, "values": {"humid": 1.0}}, "events.1.key.origin"),
        ({"values": {"dep_delay": 2001}}, "events.1.values.dep_delay"),
        ({"values": {"dep_delay": "late"}}, "events.1.values.dep_delay"),
        ({"values": {"origin": "BOS"}}, "events.1.values.origin"),
        ({"values": {"origin": None}}, "events.1.values.origin"),
        ({"values": {"time_hour": "tomorrow"}}, "events.1.values.time_hour"),
        ({"values": {"time_hour": "2013-13-01T12:00:00Z"}}, "events.1.values.time_hour"),
        ({"values": {"time_hour": "2013-10-01T12:00 or so"}}, "events.1.values.time_hour"),
        ({"values": {"time_hour": "2013-10-01T12:00:00,5Z"}}, "events.1.values.time_hour"),
        ({"values": {"time_hour": "0001-01-01T00:00:00+14:00"}}, "events.1.values.time_hour"),
        ({"values": {"colour": "red"}}, "events.1.values.colour"),
    ],
)
def test_a_fault_is_named_by_row_and_column_and_nothing_is_appended(post, follow, changed, place):
    answer = post(event(1), {**event(2), **changed})

    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [place]
    assert follow() == []


def test_a_moment_in_another_offset_is_the_same_event(post, follow):
    post(event(1, time_hour="2013-10-01T12:00:00Z"))

    assert post(event(1, time_hour="2013-10-01T08:00:00-04:00")).json() == {"recorded": 0, "known": 1}
    assert [line["values"]["time_hour"] for line in follow()] == ["2013-10-01T12:00:00Z"]


def test_an_event_is_the_same_where_a_later_model_declares_the_columns_in_another_order(post, follow, declare):
    sent = event(1, dep_delay=5.0, origin="EWR")
    flights = {**TABLES["flights"], "columns": dict(reversed(TABLES["flights"]["columns"].items()))}

    post(sent)
    declare({"flights": {**flights, "key": ["flight", "carrier"]}}, "two")

    assert post(sent).json() == {"recorded": 0, "known": 1}
    assert len(follow()) == 1


@pytest.mark.parametrize("known_at", ["1969-12-31T23:59:59Z", "2999-01-01T00:00:00Z", "2013-10-01T12:00:00", "soon"])
def test_a_moment_that_nobody_can_know_is_refused(post, known_at):
    answer = post({**event(1), "known_at": known_at})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "events.0.known_at"


def test_events_of_a_model_that_declares_no_tables_are_refused(client, as_service, declare):
    declare(None)

    answer = client.post("/events", json={"events": [event(1)]}, headers=as_service)

    assert answer.status_code == 409
    assert "held to the source tables of a model" in answer.json()["detail"]


def test_events_are_held_to_the_tables_of_the_model_that_was_reported_last(client, as_service, declare):
    weather = {"weather": TABLES["weather"]}
    for version, tables, status in (("one", weather, 422), ("two", TABLES, 201), ("one", weather, 422)):
        declare(tables, version)

        answer = client.post("/events", json={"events": [event(1)]}, headers=as_service)

        assert answer.status_code == status, (version, answer.text)


def test_events_that_come_before_the_first_model_is_reported_are_refused_with_what_to_do(client, as_service):
    answer = client.post("/events", json={"events": [event(1)]}, headers=as_service)

    assert answer.status_code == 409
    assert "none has been reported yet" in answer.json()["detail"]


def test_a_missing_value_is_null_and_one_table_is_enough(client, as_service, declare, follow):
    declare({"weather": TABLES["weather"]})
    rows = [event(table="weather", humid=None)]

    assert client.post("/events", json={"events": rows}, headers=as_service).status_code == 201
    assert follow()[0]["values"] == {"humid": None}
    answer = client.post("/events", json={"events": [event(table="weather", humid="wet"), event(1)]}, headers=as_service)
    assert [error["field"] for error in answer.json()["errors"]] == [
        "events.0.values.humid", "events.1.table", "events.1.key.origin", "events.1.key.carrier", "events.1.key.flight",
        "events.1.values.dep_delay",
    ]  # fmt: skip


def test_events_are_filtered_by_table_and_time(post, follow):
    post(event(1), event(2, minutes=60), event(minutes=60, table="weather", humid=61.0))
    at = (FIRST + timedelta(minutes=60)).isoformat()

    assert [line["table"] for line in follow(table="weather")] == ["weather"]
    assert [line["position"] for line in follow(**{"from": at})] == [2, 3]
    assert [line["position"] for line in follow(to=at)] == [1]
    assert [line["position"] for line in follow(limit=2)] == [1, 2]


def test_a_reader_waits_for_news(post, follow):
    threading.Timer(0.5, post, [event(1)]).start()
    start = time.monotonic()

    assert len(follow(wait=30)) == 1
    assert 0.4 < time.monotonic() - start < 25
    assert follow(after=1, wait=0.3) == []


def test_with_several_writers_nothing_appears_below_a_position_that_a_reader_has_seen(post, follow):
    writers = [
        threading.Thread(target=lambda first=first: [post(event(first + number)) for number in range(10)])
        for first in (1, 101, 201, 301)
    ]
    for writer in writers:
        writer.start()
    seen = []
    while any(writer.is_alive() for writer in writers) or len(seen) < 40:
        seen += [line["position"] for line in follow(after=seen[-1] if seen else 0)]

    assert seen == sorted(seen)
    assert seen == [line["position"] for line in follow()]
    assert len(seen) == 40


def test_nothing_appears_below_a_position_already_seen_where_writers_commit_late(engine, post, follow):
    """Sequences would give the positions, and let those of quick writers be seen before those of slow ones."""

    def write(first):
        for number in range(first, first + 8):
            with transaction(engine) as session:
                events.append(session, by_id(number), datetime.now(UTC))
                time.sleep(random.uniform(0, 0.02))

    with ThreadPoolExecutor(6) as writers:
        pending, seen = [writers.submit(write, first) for first in range(0, 600, 100)], [0]
        while not all(writer.done() for writer in pending):
            seen += [line["position"] for line in follow(after=seen[-1])]
    seen += [line["position"] for line in follow(after=seen[-1])]

    assert seen[1:] == [line["position"] for line in follow()]
    assert len(seen[1:]) == 48


def test_a_writer_waits_for_the_one_before_it(engine, post, follow):
    blocked = threading.Thread(target=post, args=[event(2)])
    with transaction(engine) as session:
        events.append(session, by_id(1), datetime.now(UTC))
        blocked.start()
        time.sleep(0.3)
        assert follow() == []
    blocked.join()

    assert [line["key"]["flight"] for line in follow()] == [1, 2]


def test_a_whole_number_is_stored_as_it_was_sent_and_is_the_same_with_a_point(post, client, as_service):
    assert post(event(dep_delay=5)).json() == {"recorded": 1, "known": 0}
    assert post(event(dep_delay=5.0), event(1.0, dep_delay=5)).json() == {"recorded": 0, "known": 2}
    assert '"flight":1},' in client.get("/events", headers=as_service).text


def test_a_month_of_events_can_be_dropped(engine, post, follow):
    post(event(1), event(2, minutes=60 * 24 * 40))

    with transaction(engine) as session:
        assert partitions.drop(session, datetime(2013, 10, 1, tzinfo=UTC))["events"] == 1

    assert [line["key"]["flight"] for line in follow()] == [2]
    post(event(3))
    assert [line["position"] for line in follow()] == [2, 3]


@pytest.mark.parametrize(("role", "status"), [("reader", 403), ("admin", 403)])
def test_only_services_append(client, declare, make_caller, role, status):
    declare()

    assert client.post("/events", json={"events": [event(1)]}, headers=make_caller(role)).status_code == status
    assert client.get("/events").status_code == 401


def test_the_watermark_says_how_far_the_log_reaches(client, as_service, post, as_reader):
    def watermark():
        answer = client.get("/events/watermark", headers=as_service)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert watermark() == {"position": None, "watermark": None, "first_known_at": None, "tables": {}}

    def within_a_millisecond(start):
        known_at = [(start + timedelta(microseconds=number)).isoformat() for number in range(1, 20)]
        return [{**event(number), "known_at": moment} for number, moment in enumerate(known_at, start=1)]

    airport, weather = event(table="airports", altitude=18.0), event(minutes=60, table="weather", humid=61.0)
    post(*within_a_millisecond(FIRST), weather, airport, *within_a_millisecond(FIRST + timedelta(minutes=5)))
    read = watermark()

    assert read["position"] == 40
    periods = {
        name: [datetime.fromisoformat(period[end]) - FIRST for end in ("first_known_at", "watermark")]
        for name, period in {"all": read, **read["tables"]}.items()
    }
    begin, hour = timedelta(0), timedelta(minutes=60)
    flights = [timedelta(microseconds=1), timedelta(minutes=5, microseconds=19)]
    assert periods == {"all": [begin, hour], "airports": [begin] * 2, "flights": flights, "weather": [hour] * 2}
