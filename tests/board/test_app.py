"""The board over HTTP, before it knows anything and afterwards."""

import pytest

from service_kit import api_keys

FLIGHT = {"flight": {"month": 10, "day": 1, "carrier": "UA"}}


def test_before_it_has_read_the_log_it_is_alive_not_ready_and_says_what_it_does(serve):
    client = serve()

    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").status_code == 503
    answer = client.post("/predictions", json=FLIGHT)
    assert answer.status_code == 503
    assert answer.json()["detail"] == "The board is not ready: it waits for the prediction service. Try again in a moment."


def test_readyz_names_what_it_needs_and_the_tables_that_are_silent(client):
    checks = client.get("/readyz").json()["checks"]

    assert checks["prediction_service"]["ok"]
    assert checks["log"]["state"] == "follows the log"
    assert checks["log"]["due"] == 0
    assert set(checks["tables"]["seconds_since_last_event"]) == {"flights", "weather", "planes", "airports"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"train": {}}, "train"),
        ({"flight": "UA 1545"}, "flight"),
        ({**FLIGHT, "as_of": "2013-10-01 07:15"}, "as_of"),
        ({**FLIGHT, "as_of": 1380000000}, "as_of"),
        ({"flight": {"carrier": 7}}, "flight.carrier"),
    ],
)
def test_a_question_of_another_form_is_refused_by_its_field(client, body, field):
    answer = client.post("/predictions", json=body)

    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.json()["errors"]]


def test_a_flight_and_those_that_come_next_are_answered(client, raw):
    row = raw["flights"].query("month == 10 and day == 1").iloc[7]
    named = {"month": 10, "day": 1, "carrier": row["carrier"], "flight": int(row["flight"]), "origin": row["origin"]}

    answer = client.post("/predictions", json={"flight": named})

    assert answer.status_code == 200
    assert answer.json()["flight"] == {"year": 2013, **named}
    assert client.get("/upcoming?hours=2").status_code == 200
    assert client.get("/upcoming?hours=0").status_code == 422


def test_where_it_has_keys_it_answers_those_who_show_one(serve, model):
    client = serve(api_keys=f"web:{api_keys.digest('secret')}")
    client.app.state.service.follower.model = {**model, "schema": {**model["schema"], "source": None}}

    assert client.get("/upcoming").status_code == 401
    assert client.get("/upcoming", headers={"X-API-Key": "secret"}).status_code == 409
    assert client.get("/readyz").status_code == 200


def test_the_page_of_the_api_describes_its_routes_and_refusals(serve):
    page = serve().get("/openapi.json").json()

    assert {"401", "404", "409", "422", "503"} <= page["paths"]["/predictions"]["post"]["responses"].keys()
    assert "/upcoming" in page["paths"]


def test_metrics_are_text_for_prometheus(client):
    assert "board_official_predictions_total" in client.get("/metrics").text
