"""What if: columns of a flight get other values, and the page says what the model would say then."""

import asyncio
import html
import re
from urllib.parse import urlencode

import pytest

from board.errors import ServiceUnavailable
from board.pages.subject.what_if import what_if

TAGS = re.compile(r"<[^>]*>")


@pytest.fixture
def columns(model):
    return model["schema"]["columns"]


@pytest.fixture
def record(tracker, client_at_noon):
    """The columns of a flight at noon."""
    snapshot = tracker.tables.snapshot()
    return tracker.source.records_at(snapshot.history, [0], [int(snapshot.watermark.timestamp()) // 60])[0]


@pytest.fixture
def ask(predictor, columns, record):
    """A function that gives the answer to changes."""
    return lambda **values: asyncio.run(
        what_if(predictor, columns, record, {f"to.{name}": value for name, value in values.items()}, ["weather"])
    )


def test_without_a_change_nothing_is_asked(ask, columns, record, predictor):
    shown = {entry.name.removeprefix("to."): entry.value for group in ask().groups for entry in group.fields}
    again = ask(**shown, scheduled_departure_of_another="x")

    assert shown.keys() == {column["name"] for column in columns}
    assert again.changes == ()
    assert predictor.tried_out == []


def test_a_datetime_as_browsers_write_it_is_no_change(ask, record):
    assert ask(scheduled_departure=record["scheduled_departure"][:16]).changes == ()


def test_a_change_is_asked_with_all_other_columns_as_they_are(ask, record, predictor):
    answer = ask(wind_speed="5", humidity="")

    assert predictor.tried_out == [record | {"wind_speed": 5.0, "humidity": None}]
    assert answer.answer["probability"] == 0.62
    assert {(change.label, change.after) for change in answer.changes} == {
        ("Wind speed at the origin", "5"),
        ("Relative humidity at the origin", ""),
    }


def test_warnings_are_about_what_was_changed_alone(ask):
    assert [warning["field"] for warning in ask(carrier="ZZ").answer["warnings"]] == ["carrier"]


def test_the_strongest_topic_comes_first_and_open(ask):
    groups = ask().groups

    assert [(group.topic, group.is_open) for group in groups][:2] == [("weather", True), ("timetable", False)]


def test_what_the_model_does_not_take_is_said_beside_its_field(ask):
    answer = ask(distance="far")
    wrong = [entry for group in answer.groups for entry in group.fields if entry.error]

    assert answer.refusal == "The model does not take this:"
    assert [(entry.name, entry.value, entry.error.wanted) for entry in wrong] == [
        ("to.distance", "far", "a number of miles")
    ]


def test_without_the_prediction_service_what_was_typed_stays(ask, predictor):
    async def away(*_, **__):
        raise ServiceUnavailable("away")

    predictor.ask_about = away
    answer = ask(distance="500")

    assert "does not answer" in answer.refusal
    assert "500" in [entry.value for group in answer.groups for entry in group.fields]


def test_the_page_shows_the_probability_beside_the_original(client_at_noon, predictor, raw):
    client_at_noon.app.state.service.predictor = predictor
    row = raw["flights"].query("month == 10 and day == 1 and carrier == 'UA' and hour == 7").iloc[0]
    key = {name: row[name] for name in ("year", "month", "day", "carrier", "flight", "origin")}
    page = client_at_noon.get("/flight?" + urlencode({**key, "to.carrier": "<b>", "to.wind_speed": "5"}))
    text = " ".join(html.unescape(TAGS.sub(" ", page.text)).split())

    assert re.search(r"62\s% instead of \d+\s% \(.?\d+ points\)", text)
    assert "Airline: UA → <b>" in text
    assert "<b>" not in page.text
    assert 'name="to.carrier" value="&lt;b&gt;"' in page.text
