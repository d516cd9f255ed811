"""What the data service refuses for good is put aside by the prediction service, however much it is, and nothing else is."""

import asyncio
import json
from datetime import UTC, datetime

import httpx
import pytest
from pydantic_core import to_json
from uuid_utils import uuid7

from contract.processes import KEY, Process
from prediction_api.metrics import Metrics
from prediction_api.outbox.outbox import Outbox
from prediction_api.outbox.outbox_relay import OutboxRelay

FAR_OFF = "2019-01-01T00:00:00Z"


@pytest.fixture
def data(tmp_path):
    """A data service on a SQLite file."""
    with Process("data_api", "db", tmp_path, DATABASE_URL=f"sqlite:///{tmp_path}/test.db", ACCESS_LOG="false") as found:
        yield found


def prediction(**changes):
    return {
        "prediction_id": str(uuid7()), "probability": 0.25, "label": False, "threshold": 0.5, "model_version": "one",
        "warnings": [], "time": datetime.now(UTC).isoformat(), "model_name": "ontime", "caller": None, "features": {"a": 1},
    } | changes  # fmt: skip


async def deliver(folder, url, rows):
    """Delivers rows until none waits."""
    outbox = Outbox(folder)
    await outbox.append([to_json(row) for row in rows])
    delivery = OutboxRelay(outbox, Metrics(), url, KEY)
    task = asyncio.create_task(delivery.run())
    async with asyncio.timeout(20):
        while outbox.depth:
            await asyncio.sleep(0.01)
    task.cancel()
    await delivery.close()
    await outbox.close()


def test_many_impossible_clocks_in_a_row_and_other_content_hold_nothing_up(data, tmp_path):
    known = prediction()
    headers = {"x-api-key": KEY}
    httpx.post(f"{data.url}/predictions", json={"predictions": [known]}, headers=headers).raise_for_status()
    wrong = [prediction(time=FAR_OFF) for _ in range(60)] + [{**known, "label": True}]
    good = [prediction(), prediction()]

    asyncio.run(deliver(tmp_path / "outbox", data.url, [good[0], *wrong, good[1]]))

    aside = [json.loads(line) for line in (tmp_path / "outbox/refused.ndjson").read_text().splitlines()]
    form = {"username": "admin", "password": "development"}
    token = httpx.post(f"{data.url}/token", data=form).json()["access_token"]
    stored = httpx.get(f"{data.url}/predictions", headers={"authorization": f"Bearer {token}"}).json()["predictions"]
    assert {row["prediction_id"] for row in aside} == {row["prediction_id"] for row in wrong}
    assert len(aside) == len(wrong)
    assert {row["prediction_id"] for row in stored} == {row["prediction_id"] for row in [known, *good]}
