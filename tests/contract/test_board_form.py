"""What the form of the board sends, the prediction service takes, and what it refuses stands beside the fields."""

import asyncio

import pytest

from board.clients.prediction_service import PredictionService
from board.errors import ContentRejected
from board.pages.form import fields as form_fields
from contract.processes import Process
from serving.conftest import COLUMNS, write_model

TOPICS = ["timetable", "carrier", "timetable", "route", "the aircraft"]
TYPICAL = ["2013-05-19T14:15:00", "UA", "summer", 800.0, 2.5]


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    """Prediction services of a model with topics, and of one without, by whether they have some."""
    folder = tmp_path_factory.mktemp("services")
    explained = [
        {**column, "topic": topic, "typical": typical}
        for column, topic, typical in zip(COLUMNS, TOPICS, TYPICAL, strict=True)
    ]
    uris = {True: write_model(folder / "with", columns=explained), False: write_model(folder / "without")}
    services = {
        has_topics: Process(
            "prediction_api",
            "serving",
            uri,
            MODEL_URI=str(uri),
            OUTBOX_DIR=str(folder / str(has_topics)),
            MODEL_POLL_SECONDS="0",
        )
        for has_topics, uri in uris.items()
    }
    with services[True], services[False]:
        yield services


def ask(service, question):
    async def asked():
        client = PredictionService(service.url, None, "PREDICTION_API_URL")
        try:
            return await question(client)
        finally:
            await client.close()

    return asyncio.run(asked())


def test_the_example_is_answered_with_its_reasons(services):
    columns = ask(services[True], PredictionService.model)["schema"]["columns"]
    record = form_fields.record(columns, form_fields.examples(columns))
    answer = ask(services[True], lambda client: client.ask_about(record, reasons=True, dry_run=True))

    assert 0 < answer["probability"] < 1
    assert answer["prediction_id"] is None
    assert {topic["topic"] for topic in answer["reasons"]["topics"]} == set(TOPICS)


def test_what_is_typed_wrong_is_refused_by_its_field_and_what_is_empty_is_null(services):
    columns = ask(services[True], PredictionService.model)["schema"]["columns"]
    values = {**form_fields.examples(columns), "distance": "far", "carrier": "", "season": "", "departs": ""}
    with pytest.raises(ContentRejected) as caught:
        ask(
            services[True],
            lambda client: client.ask_about(form_fields.record(columns, values), reasons=True, dry_run=True),
        )

    (group,) = form_fields.groups(columns, values, caught.value.field_errors)
    errors = {entry.name: entry.error.got for entry in group.fields if entry.error}
    assert errors == {"distance": "'far'", "departs": "null"}
    assert caught.value.status == 422


def test_a_datetime_without_seconds_as_browsers_send_it_is_taken(services):
    columns = ask(services[True], PredictionService.model)["schema"]["columns"]
    record = form_fields.record(columns, {**form_fields.examples(columns), "departs": "2013-05-19T14:15"})

    assert ask(services[True], lambda client: client.ask_about(record, reasons=False, dry_run=True))["warnings"] == []


def test_a_model_without_topics_says_so_with_the_status_that_the_form_knows(services):
    columns = ask(services[False], PredictionService.model)["schema"]["columns"]
    record = form_fields.record(columns, form_fields.examples(columns))
    with pytest.raises(ContentRejected) as caught:
        ask(services[False], lambda client: client.ask_about(record, reasons=True, dry_run=True))

    assert caught.value.status == 409
    kept = ask(services[False], lambda client: client.ask_about(record, reasons=False, dry_run=False))
    assert kept["prediction_id"] is not None
