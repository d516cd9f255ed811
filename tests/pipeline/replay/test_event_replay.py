"""A replay by events: sent in order and at their pace, into a log that holds nothing else, and each prediction compared."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import tenacity

from pipeline.clients.services import ServiceRejected, ServiceUnavailable
from pipeline.config.settings import Column
from pipeline.data.event_log import Event
from pipeline.recipes import loader
from pipeline.recipes.flights import events as flight_events
from pipeline.replay import event_playback, expectation, official
from pipeline.replay.event_playback import Pace, batches, send
from pipeline.replay.official import PredictionsDiffer
from pipeline.replay.preconditions import ReplayImpossible, check_log
from source_tables import default_data, read_tables

START = datetime(2013, 10, 1, tzinfo=UTC)


def event(minute, **values):
    return Event(START + timedelta(minutes=minute), "flights", {"flight": 1}, values)


class Store:
    """A data service that counts events that it has seen as known."""

    def __init__(self):
        self.log, self.bodies = [], []

    def append_events(self, events):
        self.bodies.append(events)
        new = [one for one in events if one not in self.log]
        self.log += new
        return len(new), len(events) - len(new)


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now, self.slept = 100.0, []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def test_events_are_sent_in_full_bodies_and_counted_as_new_and_known(monkeypatch):
    monkeypatch.setattr(event_playback, "MOST_EVENTS", 2)
    store, moments = Store(), []
    log = [event(minute) for minute in range(5)]

    assert send(log, store, moments.append) == (5, 0)
    assert send(log, store, moments.append) == (0, 5)
    assert [len(body) for body in store.bodies] == [2, 2, 1] * 2
    assert moments[:3] == [log[1].known_at, log[3].known_at, log[4].known_at]
    assert store.log[0]["known_at"] == "2013-10-01T00:00:00+00:00"


class RestartingStore(Store):
    """Takes each second request, and refuses the others as a service does that is just being started."""

    def __init__(self, refusal):
        super().__init__()
        self.refusal = refusal

    def append_events(self, events):
        if len(self.bodies) % 2 == 0:
            self.bodies.append(events)
            raise self.refusal
        return super().append_events(events)


AWAY, NO_MODEL_YET = ServiceUnavailable("nobody answers"), ServiceRejected("none has been reported yet", status=409)


@pytest.mark.parametrize("refusal", [AWAY, NO_MODEL_YET])
def test_a_replay_goes_on_where_the_data_service_is_away_for_seconds_or_was_just_started(monkeypatch, refusal):
    monkeypatch.setattr(tenacity.nap, "sleep", lambda seconds: None)
    monkeypatch.setattr(event_playback, "MOST_EVENTS", 2)
    store = RestartingStore(refusal)
    log = [event(minute) for minute in range(5)]

    assert send(log, store, lambda moment: None) == (5, 0)
    assert [body["known_at"] for body in store.log] == [one.known_at.isoformat() for one in log]


def test_a_replay_ends_where_the_data_service_stays_away(monkeypatch):
    monkeypatch.setattr(event_playback, "AWAY_SECONDS", 0)
    store = RestartingStore(AWAY)

    with pytest.raises(ServiceUnavailable, match="nobody answers"):
        send([event(0)], store, lambda moment: None)


def test_at_a_speed_no_event_comes_before_its_time_and_those_of_the_look_back_come_at_once():
    clock = Clock()
    pace = Pace(START, 60, lambda: clock.now, clock.sleep)
    log = [event(-30), event(0), event(1), event(1), event(3)]

    parts = list(batches(log, pace))

    assert parts == [log[:2], log[2:4], log[4:]]
    assert clock.slept == [1.0, 2.0]


LOG = {"position": 7, "watermark": "2013-10-05T00:00:00Z", "first_known_at": START.isoformat()}


@pytest.mark.parametrize("log", [{"position": 0, "watermark": None, "first_known_at": None}, LOG])
def test_an_empty_log_and_one_of_this_replay_are_taken(log):
    check_log(log, START, START + timedelta(days=9), "http://x")


@pytest.mark.parametrize(
    "log", [{**LOG, "watermark": "2026-11-27T20:00:00Z"}, {**LOG, "first_known_at": "2013-09-30T23:59:00Z"}]
)
def test_a_log_of_other_events_is_refused_with_what_it_holds_and_how_to_start_another(log):
    with pytest.raises(ReplayImpossible, match=r"should be empty, or hold this replay.*it holds events from .*DATABASE_URL"):
        check_log(log, START, START + timedelta(days=9), "http://x")


COLUMNS = {"size": Column("number"), "colour": Column("category"), "moment": Column("datetime")}
FEATURES = pd.DataFrame(
    {
        "size": [0.1, np.nan, 3.0],
        "colour": pd.array(["red", None, "blue"], dtype="str"),
        "moment": pd.to_datetime(["2013-10-01 05:00", "2013-10-01 06:00", None]),
    },
    index=[7, 8, 9],
)
SUBJECTS = [("UA", 1), ("UA", 2), ("B6", 3)]
RECORDS = [
    {"size": float(np.float32(0.1)), "colour": "red", "moment": "2013-10-01T05:00:00"},
    {"size": None, "colour": None, "moment": "2013-10-01T06:00:00"},
    {"size": 3, "colour": "blue", "moment": None},
]


def stored(place, probability=0.5, outcome=True, version="v1", **changed):
    subject = json.dumps(dict(zip(("carrier", "flight"), SUBJECTS[place], strict=True)), separators=(",", ":"))
    record = {**RECORDS[place], **changed}
    return {
        "subject": subject, "probability": probability, "outcome": outcome, "model_version": version, "features": record,
    }  # fmt: skip


def arrange(*predictions):
    return official.arrange(predictions, SUBJECTS, FEATURES, COLUMNS, "v1")


def test_stored_predictions_are_arranged_by_subject_whatever_their_order():
    found = arrange(stored(2, 0.3, None), stored(0, 0.1, False), stored(1, 0.2))

    assert found.probability.tolist() == [0.1, 0.2, 0.3]
    np.testing.assert_array_equal(found.outcomes, [0, 1, np.nan])
    assert found.different_values == 0


def test_a_whole_number_of_a_key_is_the_same_with_and_without_a_point():
    one = {**stored(0), "subject": '{"carrier":"UA","flight":1.0}'}

    assert arrange(one, stored(1), stored(2)).probability.tolist() == [0.5] * 3


@pytest.mark.parametrize(
    ("changed", "count"),
    [
        ({"size": float(np.nextafter(np.float32(0.1), np.float32(1)))}, 1),
        ({"size": None}, 1),
        ({"colour": "blue", "moment": "2013-10-01T05:01:00"}, 2),
    ],
)
def test_values_of_columns_that_differ_by_one_bit_are_counted(changed, count):
    found = arrange(stored(0, **changed), stored(1), stored(2))

    assert found.different_values == count
    with pytest.raises(PredictionsDiffer, match=f"{count} values of columns differ"):
        official.refuse_difference(found, np.full(3, 0.5), np.ones(3))


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ([stored(0), stored(1)], r"1 have no official prediction, such as \('B6', 3\)"),
        ([stored(0), stored(1), stored(2), stored(1)], r"1 have more than one, such as \('UA', 2\)"),
        (
            [stored(0), stored(1), stored(2), {**stored(0), "subject": '{"carrier":"DL","flight":9}'}],
            r"1 are not of this period, such as \('DL', 9\)",
        ),
        ([stored(0), stored(1), stored(2, version="v0")], "1 were made before by another one.*empty database"),
    ],
)
def test_each_subject_should_have_exactly_one_prediction_by_this_model(predictions, message):
    with pytest.raises(PredictionsDiffer, match=message):
        arrange(*predictions)


@pytest.mark.parametrize(
    ("probability", "outcomes", "message"),
    [
        ([0.5, 0.5, 0.51], [1, 1, 1], "1 probabilities differ by more than 1e-06"),
        ([0.5] * 3, [1, 0, 1], "1 outcomes differ"),
    ],
)
def test_a_difference_is_refused_by_what_differs(probability, outcomes, message):
    found = arrange(stored(0), stored(1), stored(2))

    official.refuse_difference(found, np.full(3, 0.5 + 1e-7), np.ones(3))
    with pytest.raises(PredictionsDiffer, match=message):
        official.refuse_difference(found, np.array(probability), np.array(outcomes))


@pytest.fixture(scope="module")
def data():
    return default_data()


@pytest.fixture(scope="module")
def raw(data):
    """The raw tables, with the flights of 1 and 2 October and of some days before."""
    tables = read_tables(data)
    flights = tables["flights"]
    is_near = ((flights["month"] == 9) & (flights["day"] > 27)) | ((flights["month"] == 10) & (flights["day"] <= 2))
    return {**tables, "flights": flights[is_near]}


@pytest.fixture(scope="module")
def expected(raw, data):
    return expectation.expect(data, raw, data.split)


def test_all_flights_of_the_test_period_are_expected_by_their_moment_also_cancelled_ones(expected, raw):
    flights = raw["flights"]
    october = flights[flights["month"] == 10]

    assert len(expected) == len(october)
    assert (np.diff(expected.moments) >= 0).all()
    assert np.isnan(expected.outcomes).sum() == october["arr_delay"].isna().sum() > 0
    assert np.nansum(expected.outcomes) == (october["arr_delay"] >= 15).sum()
    first = october.loc[expected.features.index[0]]
    assert expected.subjects[0] == (2013, 10, 1, first["carrier"], first["flight"], first["origin"])
    assert expected.begins == datetime(2013, 10, 1, 7, tzinfo=UTC)  # two hours before 5:00 in New York


def test_the_first_days_are_those_of_the_column_of_the_split(expected, raw):
    day = expected.first_days(1)

    assert len(day) == ((raw["flights"]["month"] == 10) & (raw["flights"]["day"] == 1)).sum() < len(expected)
    assert day.ends < expected.ends
    assert expected.first_days(None).subjects == expected.subjects


def test_the_last_event_is_the_last_arrival_of_the_days(expected, raw, data):
    day = expected.first_days(1)
    last = expectation.last_event(data, raw, day)

    log = [one for one in flight_events.events(raw, data.tables, until=last + expectation.MINUTE) if one.table == "flights"]
    landed = {tuple(one.key.values()) for one in log if "arr_delay" in one.values}
    arrived = [subject for subject, outcome in zip(day.subjects, day.outcomes, strict=True) if not np.isnan(outcome)]
    assert landed.issuperset(arrived)
    assert log[-1].known_at == last


def test_a_log_that_begins_later_has_what_was_known_then_and_no_flight_that_was_due_before(raw, data):
    since, until = datetime(2013, 9, 30, 12, tzinfo=UTC), datetime(2013, 10, 1, 12, tzinfo=UTC)
    log = list(flight_events.events(raw, data.tables, since, until))

    assert min(one.known_at for one in log) == since
    assert max(one.known_at for one in log) < until
    by_table = pd.Series([one.table for one in log]).value_counts()
    assert by_table["planes"] == len(raw["planes"])
    assert by_table["weather"] == 3 * 24
    planned = [one for one in log if "sched_dep_time" in one.values]
    assert min(datetime.fromisoformat(one.values["time_hour"]) for one in planned) == since
    rows = {tuple(one.key.values()) for one in planned}
    assert {tuple(one.key.values()) for one in log if one.table == "flights"} == rows


def test_a_period_of_a_split_ends_where_the_split_does(raw, data):
    until = replace(data.split, test_to=datetime(2013, 10, 2, tzinfo=UTC).date())

    assert len(expectation.expect(data, raw, until)) == (raw["flights"]["day"] == 1).sum()


def test_the_recipe_of_the_flights_has_a_live_half():
    assert loader.load_part("flights", "live").TABLE == "flights"
