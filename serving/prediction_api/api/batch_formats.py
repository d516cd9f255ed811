"""The forms in which a batch is asked for and answered: JSON, NDJSON and Arrow IPC streams."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from prediction_api.arrow import ipc_writer
from prediction_api.column_predictions import ColumnPredictions
from prediction_api.model.onnx_model import Warnings
from prediction_api.predictor import Options
from service_kit.media_type import JSON
from service_kit.problems import FieldError, ProblemError

ARROW = "application/vnd.apache.arrow.stream"


def wants_arrow(request: Request, default: bool) -> bool:
    """Whether the answer is an Arrow stream: where Accept names one, or takes anything and ``default`` says so."""
    accepted = ",".join(value.decode("latin-1") for name, value in request.scope["headers"] if name == b"accept")
    if not accepted:
        return default
    media_types = {part.partition(";")[0].strip().lower() for part in accepted.split(",")}
    return ARROW in media_types or (default and JSON not in media_types)


def check_format(options: Options, is_arrow: bool) -> None:
    """Raises ProblemError (422) where reasons are wanted of a batch that is asked for or answered as an Arrow stream."""
    if is_arrow and options.reasons:
        error = FieldError("reasons", "false with an Arrow stream", "true")
        raise ProblemError(
            422, "Arrow streams hold no reasons; ask for them with records in JSON and an answer in JSON.", [error]
        )


def arrow_response(predictions: ColumnPredictions) -> Response:
    """The predictions as an Arrow stream."""
    rows = len(predictions.probabilities)
    warnings = [predictions.warnings.get(row, []) for row in range(rows)]
    content = ipc_writer.write(
        {
            "prediction_id": ipc_writer.texts(predictions.prediction_ids),
            "probability": ipc_writer.numbers(predictions.probabilities),
            "label": ipc_writer.truths(predictions.labels),
            "threshold": ipc_writer.numbers([predictions.threshold] * rows),
            "model_version": ipc_writer.texts([predictions.model_version] * rows),
            "warnings": _warnings(warnings),
        }
    )
    return Response(content, media_type=ARROW)


def _warnings(warnings: Sequence[Warnings]) -> Any:
    every = list(chain.from_iterable(warnings))
    fields = {name: ipc_writer.texts([warning[name] for warning in every]) for name in ("field", "kind", "detail")}
    return ipc_writer.lists([len(of_record) for of_record in warnings], ipc_writer.structs(fields))
