"""The model's graph for servers of others: records in, probabilities out, with no check of what comes in.

One thread a process, as in the prediction service: these servers start a process for each processor.
"""

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

KINDS = {"numbers": "number", "categories": "category", "datetimes": "datetime"}
EPOCH = datetime(1970, 1, 1)


class Graph:
    """The graph of the model directory that MODEL names."""

    def __init__(self) -> None:
        folder = Path(os.environ["MODEL"])
        columns = json.loads((folder / "schema.json").read_text())["columns"]
        self._names = {key: [column["name"] for column in columns if column["kind"] == kind] for key, kind in KINDS.items()}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])

    def predict(self, records: Sequence[Mapping[str, Any]]) -> list[float]:
        """The probability of each record."""
        numbers, categories, datetimes = (
            [[record[name] for name in names] for record in records] for names in self._names.values()
        )
        return self.run(
            {
                "numbers": np.array(numbers, np.float32),
                "categories": np.array(categories, object),
                "datetimes": np.array([[seconds(text) for text in row] for row in datetimes], np.float64),
            }
        )

    def run(self, arrays: Mapping[str, Any]) -> list[float]:
        """The probability of each row of arrays that are ready."""
        (probabilities,) = self._session.run(["probability"], dict(arrays))
        result: list[float] = probabilities.tolist()
        return result


def seconds(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 datetime."""
    return (datetime.fromisoformat(text) - EPOCH).total_seconds()
