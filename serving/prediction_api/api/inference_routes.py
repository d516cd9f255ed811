"""The routes of the Open Inference Protocol v2, by which clients of KServe, Triton and MLServer ask for predictions."""

import asyncio
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from prediction_api.api import inference_answer
from prediction_api.api.inference_answer import OUTPUTS
from prediction_api.api.predict_options import read_options
from prediction_api.api.predict_routes import LEAST_BYTES, REFUSED, caller_of, problem_of, service_of
from prediction_api.errors import MOST_SHOWN
from prediction_api.model.onnx_model import OnnxModel
from prediction_api.open_inference import error_form
from prediction_api.open_inference.infer_request import HEADER_LENGTH, read_request
from service_kit.body_limit import read_body
from service_kit.health import readiness
from service_kit.media_type import JSON, media_type
from service_kit.problems import FieldError, ProblemError
from service_kit.request_middleware import UNLIMITED

SERVER, BINARY = "ontime", "application/octet-stream"
READY = f"{error_form.ROOT}/health/ready"
MODEL = "/models/{name}"
INFER = f"{error_form.ROOT}{MODEL}/infer"
VERSION = f"{MODEL}/versions/{{version}}"
DATATYPES = {"number": "FP64", "category": "BYTES", "datetime": "BYTES"}
router = APIRouter(prefix=error_form.ROOT, tags=["open inference protocol"])


def is_unlimited(path: str) -> bool:
    """Whether a path is answered beyond MAX_CONCURRENCY: what monitoring and clients of the protocol watch."""
    return path in UNLIMITED or (path.startswith(error_form.ROOT) and not path.endswith("/infer"))


@router.get("", summary="The server, as the Open Inference Protocol has it")
async def server(request: Request) -> dict[str, Any]:
    """Its name, its version, which is that of the model that answers, and the extensions that it speaks."""
    version = service_of(request).model_manager.current.model.version
    return {"name": SERVER, "version": version, "extensions": ["binary_tensor_data"]}


@router.get("/health/live", summary="Check that the process is alive, as /healthz")
async def live() -> dict[str, bool]:
    """Answers as long as the process can answer at all."""
    return {"live": True}


@router.get("/health/ready", summary="Check that the service has what it needs, as /readyz")
async def ready(request: Request) -> Response:
    """503 if something keeps the service from answering requests; GET /readyz says what."""
    return _readiness(request, {})


@router.get(f"{VERSION}/ready", include_in_schema=False)
@router.get(f"{MODEL}/ready", summary="Check that this model answers")
async def model_ready(request: Request, name: str) -> Response:
    """404 if another model answers, 503 if something keeps the service from answering requests."""
    return _readiness(request, {"name": _model(request, name).name})


@router.get(VERSION, include_in_schema=False)
@router.get(MODEL, summary="The inputs and outputs of this model")
async def model(request: Request, name: str) -> dict[str, Any]:
    """One input for each column, of shape [n] or [n, 1]. The path may go on with /versions/{version}."""
    answering = _model(request, name)
    types = {column.name: DATATYPES[column.kind] for column in answering.artifact.schema.columns}
    tensors = {
        place: [{"name": name, "datatype": datatype, "shape": [-1]} for name, datatype in of_place.items()]
        for place, of_place in (("inputs", types), ("outputs", OUTPUTS))
    }
    return {"name": answering.name, "versions": [answering.version], "platform": "onnxruntime_onnx", **tensors}


@router.post(f"{VERSION}/infer", include_in_schema=False)
@router.post(f"{MODEL}/infer", summary="Predict many records as tensors", response_class=Response)
async def infer(request: Request, name: str) -> Response:
    """Predicts all records in the tensors, or none where one is refused. The path may also name the model's version."""
    service = service_of(request)
    caller = caller_of(request, service)
    media_type(request, JSON, BINARY, default=JSON)
    options = read_options(request.scope["query_string"])
    if options.reasons:
        error = FieldError("reasons", "false with tensors", "true")
        raise ProblemError(422, "Tensors hold no reasons; ask POST /predict/batch for them.", [error])
    answering = _model(request, name)
    body = await read_body(request.receive)
    read = partial(read_request, body, request.headers.get(HEADER_LENGTH), answering.columns.most_values)
    try:
        inference = read() if len(body) < LEAST_BYTES else await asyncio.to_thread(read)
        names = inference_answer.wanted(inference)
        columns = partial(answering.columns.tensors, inference)
        predictions = await service.predictor.predict_columns(answering, columns, caller, options.dry_run)
    except REFUSED as error:
        raise problem_of(error) from error
    content, header_size = inference_answer.write(answering.name, inference, names, predictions)
    if header_size is None:
        return Response(content, media_type=JSON)
    return Response(content, media_type=BINARY, headers={HEADER_LENGTH: str(header_size)})


def _readiness(request: Request, about: dict[str, Any]) -> Response:
    is_ready = all(check["ok"] for check in service_of(request).checks().values())
    return readiness({**about, "ready": is_ready}, is_ready)


def _model(request: Request, name: str) -> OnnxModel:
    """The model that answers; raises ProblemError (404) where it has another name or version."""
    answering = service_of(request).model_manager.current.model
    version = request.path_params.get("version")
    for what, wanted, actual in (("model", name, answering.name), ("version", version, answering.version)):
        if wanted not in (None, actual):
            raise ProblemError(
                404, f"There is no {what} {wanted[:MOST_SHOWN]!r} here; the {what} that answers is {actual!r}."
            )
    return answering
