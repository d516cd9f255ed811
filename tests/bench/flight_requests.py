"""The same flights of the test table in every form in which a server takes them: records, tensors, streams."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from servers import ROOT

from prediction_api.model import artifact
from prediction_api.model.onnx_model import Inputs, OnnxModel

MODEL, TEST = ROOT / "data/model", ROOT / "data/processed/test"
ROWS = 1000
JSON, ARROW, BINARY = "application/json", "application/vnd.apache.arrow.stream", "application/octet-stream"
DATATYPES = {"numbers": "FP32", "categories": "BYTES", "datetimes": "FP64"}


@dataclass(frozen=True)
class Request:
    """What a server is sent, and how the probabilities are found in the body of its answer."""

    path: str
    body: bytes
    read: Callable[[bytes], list[float]]
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": JSON})


class Flights:
    """The first thousand flights of the test table that lack no value: not every server takes a missing one in a tensor."""

    def __init__(self) -> None:
        names = [column["name"] for column in json.loads((MODEL / "schema.json").read_text())["columns"]]
        self._table = pq.read_table(TEST, columns=names).drop_null().slice(0, ROWS).combine_chunks()
        self.model = OnnxModel(artifact.read(MODEL))
        self.arrays = self.model.column_inputs(self.model.columns.batch(self.stream()))
        self.probabilities: list[float] = self.model.probabilities(self.arrays).tolist()

    def records(self, count: int = ROWS) -> list[dict[str, Any]]:
        """Flights as JSON holds them."""
        rows = self._table.slice(0, count).to_pylist()
        return [
            {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
            for row in rows
        ]

    def stream(self) -> bytes:
        """All flights as an Arrow stream."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self._table.schema) as writer:
            writer.write_table(self._table)
        return bytes(sink.getvalue())

    def inputs(self, count: int = ROWS) -> Inputs:
        """The graph's inputs."""
        return {name: array[:count] for name, array in self.arrays.items()}

    def tensors(self, count: int = ROWS) -> list[dict[str, Any]]:
        """The graph's inputs as the Open Inference Protocol has them in JSON."""
        return [
            {"name": name, "shape": array.shape, "datatype": DATATYPES[name], "data": array.ravel().tolist()}
            for name, array in self.inputs(count).items()
        ]


def binary_tensors(flights: Flights) -> tuple[bytes, dict[str, str]]:
    """All flights as binary tensors of the Open Inference Protocol, one a column: the body and its headers."""
    inputs, contents = [], []
    for column in flights.model.artifact.schema.columns:
        values = [record[column.name] for record in flights.records()]
        if column.kind == "number":
            datatype, content = "FP64", np.array(values, "<f8").tobytes()
        else:
            texts = [value.encode() for value in values]
            datatype, content = "BYTES", b"".join([len(text).to_bytes(4, "little") + text for text in texts])
        inputs.append(
            {
                "name": column.name,
                "datatype": datatype,
                "shape": [ROWS],
                "parameters": {"binary_data_size": len(content)},
            }
        )
        contents.append(content)
    head = encode({"inputs": inputs, "parameters": {"binary_data_output": True}})
    headers = {"Content-Type": BINARY, "Inference-Header-Content-Length": str(len(head))}
    return b"".join((head, *contents)), headers


def of_service(flights: Flights) -> dict[str, Request]:
    """What the prediction service is asked: a record, and a thousand in each form."""
    many = flights.records()

    def from_json(body: bytes) -> list[float]:
        return [prediction["probability"] for prediction in json.loads(body)["predictions"]]

    def from_arrow(body: bytes) -> list[float]:
        probabilities: list[float] = pa.ipc.open_stream(body).read_all()["probability"].to_pylist()
        return probabilities

    def from_tensors(body: bytes) -> list[float]:
        head, _ = json.JSONDecoder().raw_decode(body.decode("latin-1"))
        size = sum(output["parameters"]["binary_data_size"] for output in head["outputs"])
        probabilities: list[float] = np.frombuffer(body, "<f8", ROWS, len(body) - size).tolist()  # the first output
        return probabilities

    tensors, headers = binary_tensors(flights)
    return {
        "one": Request("/predict", encode(many[0]), lambda body: [json.loads(body)["probability"]]),
        "JSON": Request("/predict/batch", encode({"records": many}), from_json),
        "Arrow": Request("/predict/batch", flights.stream(), from_arrow, {"Content-Type": ARROW}),
        "OIP": Request(f"/v2/models/{flights.model.name}/infer", tensors, from_tensors, headers),
    }


def of_litserve(flights: Flights) -> dict[str, Request]:
    """Records to LitServe."""
    many = flights.records()
    return {
        "one": Request("/predict", encode(many[0]), lambda body: [json.loads(body)["probability"]]),
        "JSON": Request("/predict/batch", encode({"records": many}), lambda body: json.loads(body)["probabilities"]),
    }


def of_bentoml(flights: Flights) -> dict[str, Request]:
    """Records to BentoML, which gathers lists of them."""
    return {
        "one": Request("/predict", encode({"records": flights.records(1)}), json.loads),
        "JSON": Request("/predict/batch", encode({"records": flights.records()}), json.loads),
    }


def of_mlserver(flights: Flights) -> dict[str, Request]:
    """Tensors in JSON to MLServer."""

    def ask(count: int) -> Request:
        body = encode({"inputs": flights.tensors(count)})
        return Request("/v2/models/flights/infer", body, lambda body: json.loads(body)["outputs"][0]["data"])

    return {"one": ask(1), "JSON": ask(ROWS)}


def of_mlflow(flights: Flights) -> dict[str, Request]:
    """Tensors in JSON to MLflow's server."""

    def ask(count: int) -> Request:
        inputs = {name: array.tolist() for name, array in flights.inputs(count).items()}
        return Request(
            "/invocations", encode({"inputs": inputs}), lambda body: json.loads(body)["predictions"]["probability"]
        )

    return {"one": ask(1), "JSON": ask(ROWS)}


def encode(content: Any) -> bytes:
    """JSON."""
    return json.dumps(content).encode()
