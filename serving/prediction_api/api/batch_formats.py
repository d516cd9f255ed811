"""The forms in which a batch is asked for and answered: JSON, NDJSON and Arrow IPC streams."""

from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from prediction_api.arrow import ipc_writer
from prediction_api.column_predictions import ColumnPredictions
from prediction_api.model.warning_table import WarningTable
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
    same = np.zeros(rows, np.intp)
    content = ipc_writer.write(
        {
            "prediction_id": ipc_writer.texts(predictions.prediction_ids),
            "probability": ipc_writer.numbers(predictions.probabilities),
            "label": ipc_writer.booleans(predictions.labels),
            "threshold": ipc_writer.numbers(np.full(rows, predictions.threshold)),
            "model_version": ipc_writer.texts([predictions.model_version], same),
            "warnings": _warnings(rows, predictions.warnings),
        }
    )
    return Response(content, media_type=ARROW)


def _warnings(rows: int, warnings: WarningTable) -> Any:
    fields: dict[str, Any] = {}
    for name in ("field", "kind", "detail"):
        texts, codes = [warning[name] for warning in warnings.different], warnings.codes
        if len(set(texts)) == 1:  # as the period of training, which all rows of today are outside of
            texts, codes = texts[:1], np.zeros_like(codes)
        fields[name] = ipc_writer.texts(texts, codes)
    return ipc_writer.lists(np.bincount(warnings.rows, minlength=rows), ipc_writer.structs(fields))
