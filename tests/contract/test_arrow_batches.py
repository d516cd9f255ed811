"""Real rows get the same answers to the last bit as an Arrow stream, which pyarrow wrote, and in JSON."""

import json
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from contract.live_services import needs_model
from pipeline.config.paths import MODEL, TEST_TABLE
from prediction_api.app import create_app
from prediction_api.settings import Settings
from serving.arrow.streams import ARROW, stream, table_of
from serving.kept import kept_lines

ROWS, BATCHES = 1000, 6


@pytest.fixture
def client(tmp_path):
    """A client of an app that serves the reproduced model."""
    settings = Settings(model_uri=str(MODEL), outbox_dir=tmp_path / "outbox", access_log=False)
    with TestClient(create_app(settings)) as opened:
        yield opened


def encoded(table):
    """The table with its texts in dictionaries."""
    for place, field in enumerate(table.schema):
        if pa.types.is_large_string(field.type):
            table = table.set_column(place, field.name, table.column(place).dictionary_encode())
    return table


def lines(folder):
    """What is kept, without what no two predictions share."""
    for line in kept_lines(folder):
        content = json.loads(line)
        yield line.replace(content["prediction_id"].encode(), b"").replace(content["time"].encode(), b"")


@needs_model
def test_flights_of_the_test_months_are_answered_and_kept_as_in_json(client, tmp_path):
    names = [column["name"] for column in json.loads((MODEL / "schema.json").read_text())["columns"]]
    table = pq.read_table(TEST_TABLE, columns=names)
    starts = [number * (len(table) - ROWS) // (BATCHES - 1) for number in range(BATCHES)]
    for number, start in enumerate(starts):
        rows = table.slice(start, ROWS)
        records = [
            {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
            for row in rows.to_pylist()
        ]
        of_arrow = client.post(
            "/predict/batch",
            content=stream(encoded(rows) if number % 2 else rows),
            headers={"content-type": ARROW},
        )
        of_json = client.post("/predict/batch", json={"records": records})

        assert (of_arrow.status_code, of_json.status_code) == (200, 200)
        expected = [{**answer, "prediction_id": ""} for answer in of_json.json()["predictions"]]
        assert [{**answer, "prediction_id": ""} for answer in table_of(of_arrow.content).to_pylist()] == expected
    kept = list(lines(tmp_path / "outbox"))
    assert len(kept) == 2 * BATCHES * ROWS
    for start in range(0, len(kept), 2 * ROWS):
        assert kept[start : start + ROWS] == kept[start + ROWS : start + 2 * ROWS]
