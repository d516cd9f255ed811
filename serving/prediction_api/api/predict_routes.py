"""The two routes that predict: plain routes of Starlette, because the model's own schema reads their bodies."""

from contextlib import suppress
from functools import partial

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from prediction_api.api.batch_formats import ARROW, arrow_response, check_format, wants_arrow
from prediction_api.api.predict_options import NO_OPTIONS, check_size, read_options
from prediction_api.app_state import AppState
from prediction_api.arrow.ipc_messages import InvalidArrow, UnsupportedArrow
from prediction_api.column_predictions import ColumnPredictions
from prediction_api.errors import OutboxUnavailable, ReasonsUnavailable
from prediction_api.model.json_columns import NotPlain
from prediction_api.model.microbatch import Answer
from prediction_api.model.onnx_model import OnnxModel
from prediction_api.model.record_reader import Batch, InvalidJson, InvalidRecords
from prediction_api.model.subjects import SUBJECTS
from prediction_api.open_inference.infer_request import InvalidTensors
from prediction_api.predictor import ROWS_IN_THREAD, Options, Predictor
from service_kit import api_keys
from service_kit.body_limit import read_body
from service_kit.caller_keys import require_key
from service_kit.media_type import JSON, media_type
from service_kit.problems import FieldError, ProblemError

NDJSON = "application/x-ndjson"
LINES = (NDJSON, "application/ndjson", "application/jsonl")
REFUSED = (InvalidArrow, InvalidTensors, InvalidJson, InvalidRecords, OutboxUnavailable, ReasonsUnavailable)
Predictions = ColumnPredictions | list[Answer]
PREDICT, BATCH = "/predict", "/predict/batch"
LEAST_BYTES = 2**15  # a smaller batch is read before a thread that reads it has started


async def predict(request: Request) -> Response:
    """Predicts the record in the body."""
    service = service_of(request)
    caller = caller_of(request, service)
    media_type(request, JSON, default=JSON)
    options = read_options(request.scope["query_string"])
    body = await read_body(request.receive)
    model = service.model_manager.current.model
    try:
        record = model.records.one(body)
        if options is NO_OPTIONS:
            answer = await service.microbatcher.predict(model, record, caller)
        else:
            (answer,) = await service.predictor.predict_with(options, model, [(record, caller)])
    except REFUSED as error:
        raise problem_of(error) from error
    return Response(to_json(answer), media_type=JSON)


async def predict_batch(request: Request) -> Response:
    """Predicts all records in the body, or none where one is refused."""
    service = service_of(request)
    caller = caller_of(request, service)
    body_type = media_type(request, JSON, *LINES, ARROW, default=JSON)
    options = read_options(request.scope["query_string"])
    is_arrow_wanted = wants_arrow(request, default=body_type == ARROW)
    check_format(options, is_arrow_wanted or body_type == ARROW)
    body = await read_body(request.receive)
    model = service.model_manager.current.model
    try:
        if body_type == ARROW:
            read = partial(model.columns.batch, body)
            predictions: Predictions = await service.predictor.predict_columns(model, read, caller, options.dry_run)
        elif body_type in LINES or not (columns := await _predict_plain(service.predictor, model, body, options, caller)):
            batch = _read_records(model, body, body_type in LINES, options, takes_subjects=not is_arrow_wanted)
            predictions = await _predict_records(service.predictor, model, batch, options, caller)
        else:
            predictions = columns
    except REFUSED as error:
        raise problem_of(error) from error
    if is_arrow_wanted:
        return arrow_response(_by_column(predictions))
    return _answer(predictions, body_type in LINES)


async def _predict_plain(
    predictor: Predictor, model: OnnxModel, body: bytes, options: Options, caller: str | None
) -> ColumnPredictions | None:
    """The predictions of a large batch in JSON that can be read straight into columns, else None."""
    if len(body) < LEAST_BYTES or options.reasons:
        return None
    with suppress(NotPlain):
        return await predictor.predict_columns(model, partial(model.json_columns.batch, body), caller, options.dry_run)
    return None


def _read_records(model: OnnxModel, body: bytes, is_lines: bool, options: Options, takes_subjects: bool) -> Batch:
    batch = Batch(model.records.lines(body), []) if is_lines else model.records.batch(body)
    if batch.subjects and not takes_subjects:
        wanted = "no subjects where the answer is an Arrow stream"
        raise InvalidRecords([FieldError(SUBJECTS, wanted, f"{len(batch.subjects)} of them")])
    check_size(batch.records, options, "the body" if is_lines else "records")
    return batch


async def _predict_records(
    predictor: Predictor, model: OnnxModel, batch: Batch, options: Options, caller: str | None
) -> Predictions:
    """The predictions of records, by column where there are many that are alike."""
    records, subjects = batch
    if len(records) >= ROWS_IN_THREAD and not (subjects or options.reasons) and model.have_all_columns(records):
        return await predictor.predict_columns(model, partial(model.to_columns, records), caller, options.dry_run)
    requests = [(record, caller) for record in records]
    if options is NO_OPTIONS:
        return await predictor.predict(model, requests, subjects)
    return await predictor.predict_with(options, model, requests, subjects)


def _by_column(predictions: Predictions) -> ColumnPredictions:
    return predictions if isinstance(predictions, ColumnPredictions) else ColumnPredictions.of_answers(predictions)


def _answer(predictions: Predictions, is_lines: bool) -> Response:
    answers = predictions.answers() if isinstance(predictions, ColumnPredictions) else predictions
    if is_lines:
        return Response(b"".join([to_json(answer) + b"\n" for answer in answers]), media_type=NDJSON)
    return Response(to_json({"predictions": answers}), media_type=JSON)


ROUTES = (Route(PREDICT, predict, methods=["POST"]), Route(BATCH, predict_batch, methods=["POST"]))


def service_of(request: Request) -> AppState:
    """The service that answers."""
    service: AppState = request.app.state.service
    return service


def caller_of(request: Request, service: AppState) -> str | None:
    """Who asks, by their key; None where no keys are set. Raises ProblemError (401)."""
    if not service.keys:
        return None
    caller = require_key(service.keys, request.headers.get(api_keys.HEADER), "a key (API_KEYS)")
    request.state.caller = caller
    return caller


def problem_of(
    error: InvalidArrow | InvalidTensors | InvalidJson | InvalidRecords | OutboxUnavailable | ReasonsUnavailable,
) -> ProblemError:
    """What a caller is told of a body that cannot be read, or of predictions that cannot be made now."""
    if isinstance(error, InvalidTensors):
        return ProblemError(400, f"The body should be a request of the Open Inference Protocol; {error}.")
    if isinstance(error, InvalidArrow):
        status = 415 if isinstance(error, UnsupportedArrow) else 400
        return ProblemError(status, f"The body should be an Arrow IPC stream; {error}.")
    if isinstance(error, InvalidJson):
        return ProblemError(400, f"The body should be JSON in UTF-8; {error}.")
    if isinstance(error, OutboxUnavailable):
        return ProblemError(503, str(error))
    if isinstance(error, ReasonsUnavailable):
        return ProblemError(409, str(error))
    count = len(error.field_errors)
    fields, pronoun = ("One field is not", "it") if count == 1 else (f"{count} fields are not", "them")
    detail = f"{fields} as the schema of the model wants {pronoun}; GET /model shows it."
    return ProblemError(422, detail, error.field_errors)
