"""What the pipeline writes, the prediction service reads: both give the same probability for the same case."""

import json
import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient

from data_api.schemas.model_versions import ModelVersionCreate
from pipeline.config.params_file import load_dataset, read_params
from pipeline.config.paths import DATASET, MODEL, TEST_TABLE
from pipeline.config.settings import Dataset, RandomSplit, Target
from pipeline.data import model_inputs, schema_json, table_io
from pipeline.modeling import artifact, onnx_export
from pipeline.params import compose
from pipeline.recipes import loader
from prediction_api.app import create_app
from prediction_api.settings import Settings

CLOSE = 1e-6
MOST = 1000


def answered(table, columns, folder, tmp_path):
    """The service's probability for each row, asked over HTTP in batches of both kinds."""
    records = [{name: plain(value) for name, value in row.items()} for row in table[list(columns)].to_dict("records")]
    settings = Settings(model_uri=str(folder), outbox_dir=tmp_path / "outbox", model_poll_seconds=0, access_log=False)
    found = []
    with TestClient(create_app(settings)) as client:
        for number, first in enumerate(range(0, len(records), MOST)):
            part = records[first : first + MOST]
            if number % 2:
                lines = "\n".join(json.dumps(record) for record in part)
                answer = client.post("/predict/batch", content=lines, headers={"content-type": "application/x-ndjson"})
                found += [json.loads(line) for line in answer.text.splitlines()]
            else:
                answer = client.post("/predict/batch", json={"records": part})
                found += answer.json()["predictions"]
            assert answer.status_code == 200, answer.text
    return found


def plain(value):
    """A value of a table as JSON holds it."""
    if pd.isna(value):
        return None
    return value.isoformat() if isinstance(value, pd.Timestamp) else value


def scored(table, columns, folder):
    """The pipeline's probability for each row."""
    arrays = model_inputs.to_arrays(model_inputs.pack(table, columns), columns)
    return artifact.probability(artifact.session(folder / artifact.GRAPH), arrays)


@pytest.mark.parametrize("model", ["hgb", "logistic"])
def test_a_directory_that_the_pipeline_wrote_answers_as_the_pipeline_scores(model, fitted, rows, columns, tmp_path):
    data = Dataset("things", Target("good"), columns, RandomSplit("random", 0.25, 1))
    metadata = {"name": "things", "threshold": 0.4, "data": {}, "parameters": {}, "versions": {}, "question": {}}
    artifact.write(
        tmp_path / "model", onnx_export.to_graph(fitted(model).model, columns), schema_json.describe(data, rows), metadata
    )

    answers = answered(rows, columns, tmp_path / "model", tmp_path)

    expected = scored(rows, columns, tmp_path / "model")
    np.testing.assert_allclose([answer["probability"] for answer in answers], expected, rtol=0, atol=CLOSE)
    assert [answer["label"] for answer in answers] == (expected >= 0.4).tolist()


@pytest.mark.skipif(
    not (MODEL.is_dir() and TEST_TABLE.is_dir()) and "CI" not in os.environ,  # CI makes them before
    reason="there is no model yet: type `make repro` first",
)
def test_every_flight_of_the_test_months_gets_the_probability_that_evaluate_scored(tmp_path):
    columns, table = load_dataset(DATASET).columns, table_io.read(TEST_TABLE)
    metadata = artifact.read_metadata(MODEL)

    answers = answered(table, columns, MODEL, tmp_path)

    expected = scored(table, columns, MODEL)
    assert len(answers) == len(table) > 80_000
    assert np.abs(np.array([answer["probability"] for answer in answers]) - expected).max() <= CLOSE
    assert [answer["label"] for answer in answers] == (expected >= metadata["threshold"]).tolist()


def test_the_data_service_takes_the_tables_of_the_flights_as_the_pipeline_describes_them(rows):
    data = read_params(compose.compose()).data
    dataset = replace(data.dataset(loader.event_tables(data)), columns={}, target=Target("good"))
    source = schema_json.describe(dataset, rows)["source"]
    content = {"model_name": "flights", "reference": {"columns": {}, "probability": None}, "tables": source["tables"]}

    stored = ModelVersionCreate.model_validate_json(json.dumps(content)).model_dump(mode="json")["tables"]

    assert stored == source["tables"]
    assert source["recipe"] == "flights"
    assert source["options"] == {"horizon_hours": 2, "late_minutes": 15}
