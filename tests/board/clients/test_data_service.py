"""What the board reads of the data service's metrics, and what it keeps of a refusal."""

import asyncio

import httpx
import pytest

from board.clients.data_service import DataService
from board.clients.prediction_service import PredictionService
from board.errors import ContentRejected
from service_kit.problems import MEDIA_TYPE, FieldError, problem_json

METRICS = """\
# HELP data_api_drift_psi Drift
# TYPE data_api_drift_psi gauge
data_api_drift_psi{column="origin",window="6h"} 0.5
data_api_drift_psi{column="origin",window="72h"} 0.01
data_api_drift_psi{column="humidity",window="72h"} 1.25
# HELP data_api_probability_drift_psi Drift
# TYPE data_api_probability_drift_psi gauge
data_api_probability_drift_psi{window="72h"} 0.04
"""


def ask(kind, answer, question):
    """What a client of this kind makes of an answer to a question."""

    async def asked():
        service = kind("http://127.0.0.1:1", None, "A_URL")
        await service.close()
        service._client = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer), base_url="http://service")
        try:
            return await question(service)
        finally:
            await service.close()

    return asyncio.run(asked())


def test_drift_is_that_of_the_longer_window():
    drift = ask(DataService, httpx.Response(200, text=METRICS), lambda service: service.drift())

    assert (drift.probability, drift.columns) == (0.04, {"origin": 0.01, "humidity": 1.25})


def test_a_refusal_says_what_is_wrong_with_which_field():
    error = FieldError("distance", "a number of miles", "'far'")
    refusal = httpx.Response(422, content=problem_json(422, "No.", [error]), headers={"content-type": MEDIA_TYPE})

    with pytest.raises(ContentRejected, match="POST /predict of A_URL answers 422: No\\. \\(distance\\)") as caught:
        ask(PredictionService, refusal, lambda service: service.ask_about({}, reasons=True, dry_run=True))

    assert (caught.value.field_errors, caught.value.fields) == ([error], ["distance"])
