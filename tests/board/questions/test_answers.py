"""Questions about one flight: named by any columns that name one, as of a moment that the log knows."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from board.questions import answers
from board.questions.batches import Asked, QuestionBatches
from board.questions.forecasts import Forecasts
from pipeline.data.event_log import Event
from service_kit.problems import ProblemError


@pytest.fixture
def taken(tracker, log):
    """What the board knows after all events."""
    asyncio.run(tracker.take(log))
    return tracker


@pytest.fixture
def ask(taken, predictor):
    """A function that asks about a flight and gives the answer."""
    return lambda as_of=None, **flight: asyncio.run(answers.predict(taken, QuestionBatches(predictor), flight, as_of))


UA = {"month": 10, "day": 1, "carrier": "UA", "flight": 1545, "origin": "EWR"}


@pytest.fixture
def flight(raw):
    """The key of one flight, with the whole numbers of its table, and its row."""
    row = raw["flights"].query("month == 10 and day == 1 and origin == 'EWR' and carrier == 'UA'").iloc[0]
    names = ("year", "month", "day", "carrier", "flight", "origin")
    return {name: row[name].item() if hasattr(row[name], "item") else row[name] for name in names}


def test_a_flight_is_answered_as_of_its_official_moment_with_the_features_that_were_used(ask, flight, taken, predictor):
    answer = ask(**flight)

    key = taken.source.key(flight)
    official = taken.officials.made[key]
    (record,) = [record for subject, record in predictor.asked if subject["prediction_id"] == official.prediction_id]
    assert answer["flight"] == flight
    assert answer["features"] == record
    assert answer["official"]["prediction_id"] == official.prediction_id
    assert answer["log_position"] == taken.tables.position


@pytest.fixture
def ask_together(taken, predictor):
    """A function that asks several questions at once and gives the answers, or why there are none, and the requests."""

    def answers(flights):
        requests = []
        predict = predictor.predict

        async def counted(records, subjects):
            requests.append(len(records))
            await asyncio.sleep(0)
            return await predict(records, subjects)

        async def gather():
            batches = QuestionBatches(predictor)
            return await asyncio.gather(
                *(batches.answer(taken, Asked(flight, None)) for flight in flights), return_exceptions=True
            )

        predictor.predict = counted
        return asyncio.run(gather()), requests

    return answers


@pytest.fixture
def keys(taken):
    """The keys of three flights."""
    return [taken.source.subject(key) for key in list(taken.officials.made)[:3]]


def test_questions_that_come_together_are_answered_in_one_request_as_alone(ask, ask_together, keys):
    alone = [ask(**key) for key in keys]

    answers, requests = ask_together(keys)

    assert [question.record for question, _ in answers] == [answer["features"] for answer in alone]
    assert [prediction["probability"] for _, prediction in answers] == [answer["probability"] for answer in alone]
    assert requests == [3]


def test_a_question_that_cannot_be_asked_does_not_harm_the_others(ask_together, keys):
    answers, requests = ask_together([keys[0], {"carrier": "UAA"}, keys[1]])

    assert isinstance(answers[1], ProblemError)
    assert [answers[place][0].record["carrier"] for place in (0, 2)] == [key["carrier"] for key in keys[:2]]
    assert requests == [2]


def test_a_question_whose_features_the_model_refuses_does_not_harm_the_others(ask_together, keys, predictor, ask):
    refused = ask(**keys[1])["features"]
    predictor.refuses = lambda record: record == refused

    answers, requests = ask_together(keys)

    assert (answers[1].status_code, requests) == (503, [3, 1, 1, 1])
    assert all(not isinstance(answers[place], Exception) for place in (0, 2))


def test_a_question_is_no_official_prediction(ask, flight, predictor):
    ask(**flight)

    subject, _ = predictor.asked[-1]
    assert (subject["official"], subject["prediction_id"]) == (False, None)


def test_an_earlier_moment_sees_less(ask, flight, taken):
    moment = ask(**flight)["as_of"]

    early, late = (ask(**flight, as_of=moment - timedelta(hours=hours))["features"] for hours in (12, 0))

    assert early["waiting_everywhere"] != late["waiting_everywhere"] or early != late


def test_any_columns_that_name_one_flight_will_do(ask, raw, flight):
    others = raw["flights"].query("month == 10 and day == 1")
    row = others[~others.duplicated(["tailnum", "day"], keep=False)].dropna(subset="tailnum").iloc[5]

    answer = ask(tailnum=row["tailnum"], month=10, day=1)

    assert answer["flight"]["flight"] == row["flight"]


@pytest.mark.parametrize(
    ("named", "status", "words"),
    [
        (
            {"carrier": "UA", "month": 10, "day": 1},
            422,
            "and should name one: year 2013, month 10, day 1, carrier UA, flight .* Add flight or origin\\.",
        ),
        ({"month": 10, "day": 1, "carrier": "UB"}, 404, "Its carrier should be .*UA"),
        ({"month": 10, "day": 1, "carrier": "ua"}, 404, "Its carrier should be .*UA"),
        ({"month": 10, "day": 1, "carrier": "UA", "flight": 1, "origin": "LGA"}, 404, "origin should be EWR"),
        ({"month": 12, "day": 31}, 404, "day should be"),
        ({}, 422, "such as year, month, day, carrier, flight, origin"),
    ],
)
def test_what_names_no_flight_or_several_is_refused_with_what_would_be_right(ask, raw, named, status, words):
    if named.get("origin") == "LGA":
        row = raw["flights"].query("month == 10 and day == 1 and carrier == 'UA' and origin == 'EWR'").iloc[0]
        named = {**named, "flight": int(row["flight"])}
    if named.get("month") == 12:
        words = "month should be|day should be|It goes from"
    with pytest.raises(ProblemError, match=words) as refused:
        ask(**named)

    assert refused.value.status_code == status


def test_of_a_subject_that_was_forgotten_it_says_since_when_it_knows_any_and_who_keeps_its_prediction(ask, taken):
    taken.tables.kept_since = datetime(2013, 9, 30, tzinfo=UTC)

    with pytest.raises(ProblemError, match=r"forgotten flights without an event since 2013-09-30.*GET /predictions"):
        ask(month=8, day=1)


def test_a_flight_before_the_first_moment_of_the_calendar_is_a_moment_that_the_log_does_not_know(ask, taken, flight, log):
    key = {**flight, "flight": 9999}
    event = next(event for _, event in log if event.table == "flights" and "time_hour" in event.values)
    early = Event(taken.tables.watermark, "flights", key, {**event.values, "time_hour": "0001-01-01T00:00:00Z", "minute": 0})
    asyncio.run(taken.take([(taken.tables.position + 1, early)]))

    with pytest.raises(ProblemError, match="does not say what was known then"):
        ask(**key)


def test_an_unknown_column_and_a_value_of_another_kind_are_named(ask):
    with pytest.raises(ProblemError) as refused:
        ask(carier="UA", flight="1545")

    fields = {error.field: error.wanted for error in refused.value.field_errors}
    assert fields == {"flight.carier": "a column of carrier", "flight.flight": "a number"}


@pytest.mark.parametrize("days", [-40, 1])
def test_a_moment_outside_the_log_is_refused_with_the_moments_that_it_knows(ask, flight, taken, days):
    watermark = taken.tables.watermark

    with pytest.raises(ProblemError) as refused:
        ask(**flight, as_of=watermark + timedelta(days=days))

    (error,) = refused.value.field_errors
    assert error.field == "as_of"
    assert taken.first_known_at.isoformat() in error.wanted
    assert watermark.isoformat() in error.wanted


def test_upcoming_lists_the_flights_due_after_the_watermark_with_official_predictions_within_two_hours_and_forecasts_before(
    tracker, log, predictor
):
    cut = next(number for number, (_, event) in enumerate(log) if event.known_at.day == 1 and event.known_at.hour == 14)
    asyncio.run(tracker.take(log[:cut]))
    made = len(predictor.asked)

    forecasts = Forecasts(predictor)
    listed = asyncio.run(answers.upcoming(tracker, forecasts, 6))

    quarter = listed["watermark"].replace(minute=listed["watermark"].minute // 15 * 15)
    due = [flight["due_at"] for flight in listed["flights"]]
    assert due == sorted(due)
    assert listed["watermark"] <= due[0] <= due[-1] < listed["watermark"] + timedelta(hours=6)
    for flight in listed["flights"]:
        assert flight["official"] == (flight["official_as_of"] < listed["watermark"])
        assert flight["prediction"]["as_of"] == (flight["official_as_of"] if flight["official"] else quarter)
    early = [subject for subject, _ in predictor.asked[made:]]
    assert len(early) == sum(not flight["official"] for flight in listed["flights"])
    assert not any(subject["official"] for subject in early)

    asyncio.run(answers.upcoming(tracker, forecasts, 6))

    assert len(predictor.asked) == made + len(early)


def test_tables_without_a_row_give_missing_values(tracker, log, predictor, since):
    """A log that holds flights alone, such as one that has just begun."""
    asyncio.run(tracker.take([(position, event) for position, event in log if event.table == "flights"]))

    assert predictor.asked
    _, record = predictor.asked[0]
    assert record["humidity"] is None
    assert record["lowest_visibility"] is None
    assert record["seats"] is None


def test_rows_that_no_moment_can_see_any_more_are_forgotten_and_the_features_stay(tracker, log, source):
    """After forty days without a word, all that is left are the flights that still have to be predicted."""
    asyncio.run(tracker.take(log))
    position, last = log[-1]
    later = Event(last.known_at + timedelta(days=45), "planes", {"tailnum": "N1"}, {"seats": 5.0})

    asyncio.run(tracker.take([(position + 1, later)]))
    asyncio.run(tracker.take([(position + 2, later._replace(known_at=later.known_at + timedelta(days=2)))]))

    assert tracker.tables.snapshot().rows.empty
    assert tracker.tables.kept_since is not None


def test_an_answer_warns_of_a_silent_table_and_of_a_log_that_is_shorter_than_the_features_look_back(
    tracker, log, flight, caplog
):
    """A day without weather, in a log of some days."""
    quiet = [entry for entry in log if entry[1].table != "weather" or entry[1].known_at.day != 1]
    cut = next(number for number, (_, event) in enumerate(quiet) if event.known_at.day == 1 and event.known_at.hour == 20)
    asyncio.run(tracker.take(quiet[:cut]))
    asyncio.run(tracker.catch_up())

    answer = asyncio.run(answers.predict(tracker, QuestionBatches(tracker.officials._predictor), flight, None))

    assert [record.table for record in caplog.records if "is silent" in record.message] == ["weather"]
    kinds = {warning["kind"]: warning for warning in answer["warnings"]}
    assert kinds["silent_table"]["field"] == "weather"
    assert "look back 32 days" in kinds["short_history"]["detail"]


def test_a_table_that_should_speak_and_never_did_is_silent(tracker, log):
    asyncio.run(tracker.take([entry for entry in log if entry[1].table != "weather"]))

    since = (tracker.tables.watermark - tracker.first_known_at).total_seconds()
    assert tracker.silent() == {"weather": since}
