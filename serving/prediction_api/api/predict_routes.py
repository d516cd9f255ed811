"""The two routes that predict: plain routes of Starlette, because the model's own schema reads their bodies."""

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from prediction_api.api.predict_options import NO_OPTIONS, check_size, read_options
from prediction_api.app_state import AppState
from prediction_api.errors import OutboxUnavailable, ReasonsUnavailable
from prediction_api.model.record_reader import Batch, InvalidJson, InvalidRecords
from service_kit import api_keys
from service_kit.body_limit import read_body
from service_kit.caller_keys import require_key
from service_kit.media_type import JSON, media_type
from service_kit.problems import ProblemError

NDJSON = "application/x-ndjson"
LINES = (NDJSON, "application/ndjson", "application/jsonl")
REFUSED = (InvalidJson, InvalidRecords, OutboxUnavailable, ReasonsUnavailable)
PREDICT, BATCH = "/predict", "/predict/batch"


async def predict(request: Request) -> Response:
    """Predicts the record in the body."""
    service: AppState = request.app.state.service
    caller = _caller(request, service)
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
        raise _problem(error) from error
    return Response(to_json(answer), media_type=JSON)


async def predict_batch(request: Request) -> Response:
    """Predicts all records in the body, or none where one is refused."""
    service: AppState = request.app.state.service
    caller = _caller(request, service)
    lines = media_type(request, JSON, *LINES, default=JSON) in LINES
    options = read_options(request.scope["query_string"])
    body = await read_body(request.receive)
    model = service.model_manager.current.model
    try:
        records, subjects = Batch(model.records.lines(body), []) if lines else model.records.batch(body)
        check_size(records, options, "the body" if lines else "records")
        requests = [(record, caller) for record in records]
        if options is NO_OPTIONS:
            answers = await service.predictor.predict(model, requests, subjects)
        else:
            answers = await service.predictor.predict_with(options, model, requests, subjects)
    except REFUSED as error:
        raise _problem(error) from error
    if lines:
        return Response(b"".join([to_json(answer) + b"\n" for answer in answers]), media_type=NDJSON)
    return Response(to_json({"predictions": answers}), media_type=JSON)


ROUTES = (Route(PREDICT, predict, methods=["POST"]), Route(BATCH, predict_batch, methods=["POST"]))


def _caller(request: Request, service: AppState) -> str | None:
    if not service.keys:
        return None
    caller = require_key(service.keys, request.headers.get(api_keys.HEADER), "a key (API_KEYS)")
    request.state.caller = caller
    return caller


def _problem(error: InvalidJson | InvalidRecords | OutboxUnavailable | ReasonsUnavailable) -> ProblemError:
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
