"""From events to official predictions and outcomes, as the pipeline has them."""

import asyncio
import gc
import json
import sys
import threading
import time
from collections import Counter
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from board.errors import ContentRejected, ModelChanged
from board.metrics import Metrics
from board.tracking.official import MOST_RECORDS
from board.tracking.source import time_of
from board.tracking.subject_tracker import SubjectTracker
from board.tracking.tables import Tables

PAGE = 1000


def take(tracker, log):
    """The board takes up events in pages."""

    async def run():
        for start in range(0, len(log), PAGE):
            await tracker.take(log[start : start + PAGE])

    asyncio.run(run())
    return tracker


def key_of(row):
    return {name: int(row[name]) if name in {"year", "month", "day", "flight"} else row[name] for name in KEY}


KEY = ("year", "month", "day", "carrier", "flight", "origin")


@pytest.fixture
def due(raw, offline, since):
    """A function that gives the flights whose moment is from ``since`` to before another, as texts, with their places."""

    def flights_until(before):
        moments = pd.to_datetime(offline["moment"] * 60, unit="s", utc=True)
        rows = offline.index[(moments >= since) & (moments < before)]
        return {json.dumps(key_of(raw["flights"].loc[row]), separators=(",", ":")): row for row in rows}

    return flights_until


def test_every_flight_whose_moment_has_passed_has_one_official_prediction_cancelled_ones_too(
    tracker, log, raw, predictor, due
):
    take(tracker, log)

    asked = Counter(subject["subject"] for subject, _ in predictor.asked)
    expected = due(tracker.tables.watermark)
    assert set(asked) == set(expected)
    assert set(asked.values()) == {1}
    assert raw["flights"].loc[expected.values(), "dep_delay"].isna().any()


def test_what_is_due_at_once_is_predicted_in_the_order_of_moments(tracker, log, predictor):
    asyncio.run(tracker.take(log))

    moments = [subject["as_of"] for subject, _ in predictor.asked]
    assert len(moments) > MOST_RECORDS
    assert moments == sorted(moments)


def test_the_features_of_official_predictions_are_those_of_the_pipeline_to_the_last_bit(
    tracker, log, offline, predictor, due
):
    take(tracker, log)

    places = due(tracker.tables.watermark)
    subjects, records = zip(*predictor.asked, strict=True)
    ours = pd.DataFrame(records)
    theirs = offline.loc[[places[subject["subject"]] for subject in subjects], ours.columns].reset_index(drop=True)
    theirs["scheduled_departure"] = theirs["scheduled_departure"].dt.strftime("%Y-%m-%dT%H:%M:%S")
    for name in ours:
        kind = np.float32 if tracker.source.kinds[name] == "number" else object
        assert ours[name].astype(kind).equals(theirs[name].astype(kind)), name


def test_a_prediction_names_its_subject_its_moment_and_the_position_of_the_log(tracker, log, predictor, since):
    take(tracker, log)

    subject, record = predictor.asked[0]
    assert subject["official"] is True
    assert subject["as_of"] >= since.isoformat()
    assert json.loads(subject["subject"])["carrier"] == record["carrier"]
    known = [event.known_at for position, event in log if position <= subject["log_position"]]
    assert max(known).isoformat() > subject["as_of"]


def test_outcomes_are_those_of_the_table_and_flights_that_never_arrived_have_none(
    tracker, log, raw, options, data_service, due
):
    take(tracker, log)

    landed = {}
    for text, row in due(tracker.tables.watermark).items():
        delay = raw["flights"].loc[row, "arr_delay"]
        if not np.isnan(delay):
            landed[text] = bool(delay >= options.late_minutes)
    ids = {tracker.source.subject_text(key): made.prediction_id for key, made in tracker.officials.made.items()}
    assert data_service.outcomes == {ids[text]: outcome for text, outcome in landed.items()}
    assert len(ids) > len(landed)


@pytest.mark.parametrize("share", [0.7, 0.9])
def test_a_board_that_begins_again_makes_the_predictions_that_the_other_would_have_made(
    tracker, log, source, predictor, data_service, share, since
):
    """A new tracker restores the stored predictions, without the last acknowledged ones, and reads the rest of the log."""
    cut = int(len(log) * share)
    take(tracker, log[:cut])
    lost = predictor.asked[-7:]
    stored = [
        {**subject, "probability": 0.5, "label": False, "threshold": 0.5, "model_version": "1", "outcome": None}
        for subject, _ in predictor.asked[: -len(lost)]
    ]
    again = SubjectTracker(source, (data_service, predictor), Metrics(), since, log[0][1].known_at)
    again.restore(stored)
    position = max(prediction["log_position"] for prediction in stored)
    again.load([entry for entry in log if entry[0] <= position])
    again.begin_at(position, since)

    predictor.asked.clear()
    asyncio.run(again.catch_up())
    take(again, [entry for entry in log if entry[0] > position])

    repeated = {subject["prediction_id"]: record for subject, record in predictor.asked}
    assert all(repeated[subject["prediction_id"]] == record for subject, record in lost)
    asked = Counter(subject["subject"] for subject, _ in predictor.asked)
    assert max(asked.values()) == 1
    assert not {prediction["subject"] for prediction in stored} & set(asked)


def test_before_a_correction_the_moments_up_to_it_are_predicted_without_it(tracker, log, source, predictor, since):
    """A correction says that a flight of the last hour left 200 minutes late: no earlier moment sees it."""
    cut = next(number for number, (_, event) in enumerate(log) if event.known_at >= since + timedelta(hours=14))
    take(tracker, log[:cut])
    done = len(predictor.asked)
    _, departure = next(entry for entry in reversed(log[:cut]) if "dep_delay" in entry[1].values)
    correction = departure._replace(known_at=log[cut][1].known_at + timedelta(hours=1), values={"dep_delay": 200.0})
    position = log[cut - 1][0]

    asyncio.run(tracker.take([(position + 1, correction)]))

    early = predictor.asked[done:]
    assert early
    assert all(subject["log_position"] == position for subject, _ in early)
    assert all(subject["as_of"] < correction.known_at.isoformat() for subject, _ in early)
    assert tracker.tables.position == position + 1


def test_a_subject_whose_features_the_model_refuses_does_not_keep_the_others_waiting(tracker, log, predictor, raw, due):
    predictor.refuses = lambda record: record["destination"] == "HNL"

    take(tracker, log)

    expected = due(tracker.tables.watermark)
    flights = raw["flights"].loc[expected.values()]
    assert len(predictor.asked) == (flights["dest"] != "HNL").sum() < len(flights)


def test_a_prediction_service_that_takes_fewer_at_once_gets_fewer(tracker, log, predictor, due):
    predict = predictor.predict

    async def predict_few(records, subjects):
        if len(records) > 100:
            raise ContentRejected("413: the body should hold fewer bytes", 413)
        return await predict(records, subjects)

    predictor.predict = predict_few
    take(tracker, log)

    assert len(predictor.asked) == len(due(tracker.tables.watermark))


def test_what_another_model_refuses_is_no_subject_that_goes_without(tracker, log, predictor):
    """The board begins again with the features of the new model, and predicts the same subjects."""
    predictor.refuses, predictor.version = lambda record: True, "2"

    with pytest.raises(ModelChanged, match="Model 2 answers, where the features are those of model 1"):
        take(tracker, log)

    assert tracker.officials.pending


def test_a_subject_whose_prediction_was_forgotten_gets_no_other(tracker, log, predictor):
    """A correction of an old flight's schedule would give the flight another moment."""
    take(tracker, log)
    done = len(predictor.asked)
    key = next(iter(tracker.officials.made))
    tracker.officials.forget(tracker.tables.watermark)
    last, hour = log[-1][1], time_of(tracker.source.moments(tracker.tables.subject_rows([key])[1])[0])
    values = {"time_hour": (hour + timedelta(hours=3)).isoformat()}
    correction = last._replace(table="flights", key=dict(zip(KEY, key, strict=True)), values=values)

    asyncio.run(tracker.take([(log[-1][0] + 1, correction)]))

    assert len(predictor.asked) == done


def test_what_waits_can_be_counted_while_a_thread_schedules(tracker, since):
    """/readyz and the heartbeats read from another thread."""
    officials, later, ends = tracker.officials, int(since.timestamp()) // 60 + 60, threading.Event()
    officials.pending.update({("waits", number): later for number in range(1500)})

    def schedule():
        while not ends.is_set():
            for number in range(1000):
                officials.pending["new", number] = later
            for number in range(1000):
                officials.pending.pop(("new", number))

    def hand_over(phase, info):  # a finaliser in Python, or Hypothesis, gives way to other threads in a collection
        time.sleep(1e-5)

    thread, interval = threading.Thread(target=schedule), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # seconds: the threads take turns as often as they can
    gc.callbacks.append(hand_over)
    thread.start()
    try:
        assert all(officials.due(since) == [] for _ in range(2000))
    finally:
        ends.set()
        thread.join()
        gc.callbacks.remove(hand_over)
        sys.setswitchinterval(interval)


def test_the_id_of_an_official_prediction_is_a_uuid_of_its_moment(tracker, log, predictor):
    take(tracker, log)

    assert tracker.officials.made
    for key, made in tracker.officials.made.items():
        assert int(made.prediction_id.replace("-", "")[:12], 16) == time_of(made.moment).timestamp() * 1000
        assert made.prediction_id[14] == "7", key


def test_events_of_tables_that_the_model_does_not_declare_are_passed_over(tracker, log):
    position, event = log[0]

    asyncio.run(tracker.take([(position, event._replace(table="trains"))]))

    assert tracker.tables.position == position
    assert tracker.tables.watermark is None


def test_where_facts_are_corrected_features_are_those_of_what_was_known_at_the_moment(
    tracker, corrected_log, source, predictor, since
):
    """Each is computed again from the events that were known by its moment, and no others."""
    events = corrected_log
    take(tracker, events)

    asked = [
        (subject, record)
        for subject, record in predictor.asked
        if (since + timedelta(hours=12)).isoformat() < subject["as_of"] < (since + timedelta(hours=17)).isoformat()
    ]
    assert len(asked) > 100
    for subject, record in asked[::10]:
        tables = Tables(source)
        tables.apply(
            [entry for entry in events if entry[1].known_at.isoformat() <= subject["as_of"]], stop_at_revision=False
        )
        moment = int(datetime.fromisoformat(subject["as_of"]).timestamp()) // 60
        _, rows = tables.subject_rows([source.key_of_text(subject["subject"])])
        assert source.records(tables.snapshot().history, rows, [moment]) == [record]


def test_how_events_come_in_pages_changes_no_feature_also_where_facts_are_corrected(
    tracker, corrected_log, source, predictor, data_service, since
):
    events = corrected_log
    take(tracker, events)
    asked = {subject["prediction_id"]: record for subject, record in predictor.asked}
    predictor.asked.clear()
    other = SubjectTracker(source, (data_service, predictor), Metrics(), since, events[0][1].known_at)

    asyncio.run(other.take(events))

    assert {subject["prediction_id"]: record for subject, record in predictor.asked} == asked


def test_an_outcome_that_is_refused_is_not_called_another_one(tracker, log, data_service, caplog):
    async def refuse(outcomes):
        raise ContentRejected("422: no such month", 422)

    data_service.record_outcomes = refuse
    take(tracker, log[: len(log) * 3 // 4])

    assert "the data service does not take an outcome" in caplog.text
    assert "another outcome" not in caplog.text
