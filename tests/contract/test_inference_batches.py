"""Real rows get the same answers to the last bit as tensors, which Triton's client wrote, and in JSON."""

import json
from datetime import datetime

import numpy as np
import pyarrow.parquet as pq
import tritonclient.http as triton
from starlette.testclient import TestClient

from contract.live_services import needs_model
from pipeline.config.paths import MODEL, TEST_TABLE
from prediction_api.app import create_app
from prediction_api.settings import Settings
from serving.kept import kept_lines
from serving.open_inference.inference import HEADER

ROWS, BATCHES = 1000, 3
OWN = ("prediction_id", "time")  # what no two predictions share


def body_of(table, schema):
    """The rows as binary tensors: the body, and of how many bytes its JSON is."""
    inputs = []
    for column in schema:
        values = table[column["name"]].to_pylist()
        if column["kind"] == "number":
            datatype, array = "FP64", np.array([np.nan if value is None else value for value in values], np.float64)
        else:
            texts = [value.isoformat() if isinstance(value, datetime) else value or "" for value in values]
            datatype, array = "BYTES", np.array(texts, object)
        inputs.append(triton.InferInput(column["name"], [len(values)], datatype).set_data_from_numpy(array))
    return triton.InferenceServerClient.generate_request_body(inputs)


@needs_model
def test_flights_of_the_test_months_are_answered_and_kept_as_in_json(tmp_path):
    schema = json.loads((MODEL / "schema.json").read_text())["columns"]
    name = json.loads((MODEL / "metadata.json").read_text())["name"]
    table = pq.read_table(TEST_TABLE, columns=[column["name"] for column in schema])
    settings = Settings(model_uri=str(MODEL), outbox_dir=tmp_path / "outbox", access_log=False)
    with TestClient(create_app(settings)) as client:
        for number in range(BATCHES):
            rows = table.slice(number * (len(table) - ROWS) // (BATCHES - 1), ROWS)
            records = [
                {key: value.isoformat() if isinstance(value, datetime) else value for key, value in row.items()}
                for row in rows.to_pylist()
            ]
            body, size = body_of(rows, schema)
            of_tensors = client.post(f"/v2/models/{name}/infer", content=body, headers={HEADER: str(size)})
            of_json = client.post("/predict/batch", json={"records": records})

            assert (of_tensors.status_code, of_json.status_code) == (200, 200), of_tensors.text[:500]
            result = triton.InferenceServerClient.parse_response_body(
                of_tensors.content, header_length=int(of_tensors.headers[HEADER])
            )
            expected = of_json.json()["predictions"]
            for output in ("probability", "label"):
                assert result.as_numpy(output).tolist() == [answer[output] for answer in expected]
            assert [json.loads(text) for text in result.as_numpy("warnings")] == [answer["warnings"] for answer in expected]
    kept = [
        {key: value for key, value in json.loads(line).items() if key not in OWN} for line in kept_lines(tmp_path / "outbox")
    ]
    assert len(kept) == 2 * BATCHES * ROWS
    for start in range(0, len(kept), 2 * ROWS):
        assert kept[start : start + ROWS] == kept[start + ROWS : start + 2 * ROWS]
