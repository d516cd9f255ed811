"""What the board shows of scores, predictions and drift is what the data service says, read with the services' key."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from uuid_utils import uuid7

from board.clients.data_service import DataService
from board.scoring.day_scores import total
from board.scoring.live_scores import Day, LiveScores
from board.scoring.surprises import Surprises
from contract.processes import KEY, Process

NOW = datetime.now(UTC)
NANOSECONDS = int(NOW.timestamp()) * 10**9
PROBABILITIES, OUTCOMES = [0.05, 0.15, 0.25, 0.55, 0.75, 0.95], [False, True, False, True, True, False]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data service with six predictions of today, whose outcomes are known, and one whose outcome is not."""
    folder = tmp_path_factory.mktemp("data")
    with Process("data_api", "db", folder, DATABASE_URL=f"sqlite:///{folder}/test.db", ACCESS_LOG="false") as service:
        rows = [
            {
                "prediction_id": str(uuid7(nanoseconds=NANOSECONDS)), "time": NOW.isoformat(), "model_name": "things",
                "model_version": "one", "probability": probability, "label": probability >= 0.5, "threshold": 0.5,
                "warnings": [], "caller": None, "features": {"size": probability},
            }
            for probability in [*PROBABILITIES, 0.5]
        ]  # fmt: skip
        outcomes = [
            {"prediction_id": row["prediction_id"], "outcome": outcome} for row, outcome in zip(rows, OUTCOMES, strict=False)
        ]
        headers = {"x-api-key": KEY}
        httpx.post(f"{service.url}/predictions", json={"predictions": rows}, headers=headers).raise_for_status()
        httpx.post(f"{service.url}/outcomes", json={"outcomes": outcomes}, headers=headers).raise_for_status()
        yield service


def ask(data, question):
    """The answer to a question that the board asks the data service."""

    async def asked():
        client = DataService(data.url, KEY, "DATA_API_URL")
        try:
            return await question(client)
        finally:
            await client.close()

    return asyncio.run(asked())


def today():
    return Day(NOW.date(), UTC)


def test_the_counts_of_a_day_are_those_of_its_predictions(data):
    ((scores,),) = ask(data, lambda client: LiveScores(client).of([today()], NOW, "one"))

    assert scores.model_version == "one"
    assert (scores.counts.predictions, scores.counts.outcomes, scores.counts.positives) == (7, 6, 3)
    assert (scores.counts.hits, scores.counts.misses, scores.counts.false_alarms) == (2, 1, 1)
    assert [tenth.rows for tenth in total([scores]).tenths] == [1, 1, 1, 0, 0, 1, 0, 1, 0, 1]
    assert scores.brier.value == pytest.approx(sum((p - y) ** 2 for p, y in zip(PROBABILITIES, OUTCOMES, strict=True)) / 6)
    assert scores.roc_auc.value == pytest.approx(5 / 9)


def test_the_period_is_that_of_all_predictions_and_empty_of_official_ones(data):
    first, last = ask(data, lambda client: client.first_and_last_moment(official=False))

    assert abs(first - NOW) < timedelta(seconds=1) > abs(last - NOW)
    assert ask(data, lambda client: client.first_and_last_moment(official=True)) is None


def test_the_most_surprising_prediction_comes_with_its_features(data):
    surprises = ask(data, lambda client: Surprises(client, None).of(today(), NOW, "another"))

    assert [surprise.prediction["probability"] for surprise in surprises] == [0.15, 0.55, 0.75, 0.95, 0.25, 0.05]
    assert surprises[0].prediction["features"] == {"size": 0.15}
    assert (surprises[0].subject, surprises[0].topics) == (None, ())


def test_without_a_reference_there_is_no_drift(data):
    drift = ask(data, lambda client: client.drift())

    assert (drift.probability, drift.columns) == (None, {})
