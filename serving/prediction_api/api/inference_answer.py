"""The answer to an inference request: predictions as output tensors."""

from collections.abc import Callable, Sequence
from typing import Any

from pydantic_core import to_json

from prediction_api.column_predictions import ColumnPredictions
from prediction_api.errors import MOST_SHOWN
from prediction_api.model.warning_table import WarningTable
from prediction_api.open_inference import tensor_writer
from prediction_api.open_inference.infer_request import InferRequest
from prediction_api.open_inference.tensor_writer import OutputTensor
from service_kit.problems import FieldError, ProblemError

OUTPUTS = {"probability": "FP64", "label": "BOOL", "prediction_id": "BYTES", "warnings": "BYTES"}
_VALUES: dict[str, Callable[[ColumnPredictions], Any]] = {
    "probability": lambda predictions: predictions.probabilities,
    "label": lambda predictions: predictions.labels,
    "prediction_id": lambda predictions: [prediction_id or "" for prediction_id in predictions.prediction_ids],
    "warnings": lambda predictions: _warning_texts(len(predictions.prediction_ids), predictions.warnings),
}


def wanted(inference: InferRequest) -> list[str]:
    """The outputs that are wanted, all where none is named; raises ProblemError (422) for an unknown one."""
    names = list(dict.fromkeys(output.name for output in inference.header.outputs or []))
    unknown = next((name for name in names if name not in OUTPUTS), None)
    if unknown is not None:
        error = FieldError("outputs", " or ".join(OUTPUTS), repr(unknown[:MOST_SHOWN]))
        raise ProblemError(422, f"The model gives the outputs {', '.join(OUTPUTS)}, and no others.", [error])
    return names or list(OUTPUTS)


def write(
    model_name: str, inference: InferRequest, names: Sequence[str], predictions: ColumnPredictions
) -> tuple[bytes, int | None]:
    """The body of an answer with these outputs, and of how many bytes its JSON is: None where nothing follows it."""
    head = {
        "model_name": model_name,
        "model_version": predictions.model_version,
        **({"id": inference.header.id} if inference.header.id else {}),
        "parameters": {"threshold": predictions.threshold},
    }
    outputs = [OutputTensor(name, OUTPUTS[name], _VALUES[name](predictions)) for name in names]
    return tensor_writer.write(head, outputs, inference.is_binary)


def _warning_texts(rows: int, warnings: WarningTable) -> list[str]:
    """The warnings of each row as a JSON array."""
    texts = [to_json(warning).decode() for warning in warnings.different]
    by_row: dict[int, str] = {}
    for row, code in zip(warnings.rows.tolist(), warnings.codes.tolist(), strict=True):
        by_row[row] = f"{by_row[row]},{texts[code]}" if row in by_row else texts[code]
    return [f"[{by_row.get(row, '')}]" for row in range(rows)]
