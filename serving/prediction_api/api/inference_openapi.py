"""What the OpenAPI page says of the routes of the Open Inference Protocol."""

from http import HTTPStatus
from typing import Annotated, Any

from pydantic import BaseModel, Field

from prediction_api.api.inference_answer import OUTPUTS
from prediction_api.api.inference_routes import BINARY, DATATYPES, INFER, MODEL, READY
from prediction_api.api.predict_options import PARAMETERS
from prediction_api.model.onnx_model import OnnxModel
from prediction_api.open_inference.error_form import ROOT
from prediction_api.open_inference.infer_request import HEADER_LENGTH, MOST_OUTPUTS
from service_kit.media_type import JSON
from service_kit.openapi import DETAILS, reference

MODEL_READY = f"{ROOT}{MODEL}/ready"
INFERENCE_REFUSALS = {
    (INFER, "post"): (400, 401, 404, 405, 408, 413, 415, 422, 503),
    (f"{ROOT}{MODEL}", "get"): (404,),
    (MODEL_READY, "get"): (404,),
}


class InferenceInput(BaseModel):
    """One input: a column of the model. Values are here, or in binary form behind the JSON (`binary_data_size`)."""

    name: str = Field(examples=["distance"])
    datatype: str = Field(examples=["FP64"])
    shape: list[Annotated[int, Field(ge=0)]] = Field(description="[n] or [n, 1]", examples=[[1]])
    data: list[Any] | None = Field(default=None, examples=[[800.0]])
    parameters: dict[str, Any] = Field(default_factory=dict)


class InferenceOutputRequest(BaseModel):
    """An output that is wanted, in binary form with the parameter `binary_data`."""

    name: str = Field(examples=["probability"])
    parameters: dict[str, Any] = Field(default_factory=dict)


class InferenceRequest(BaseModel):
    """Records as tensors, one for each column; the request of the Open Inference Protocol v2."""

    id: str | None = None
    inputs: list[InferenceInput] = Field(min_length=1)
    outputs: list[InferenceOutputRequest] = Field(
        default_factory=list, max_length=MOST_OUTPUTS, description="All of them where none is named"
    )
    parameters: dict[str, Any] = Field(default_factory=dict, description="`binary_data_output`: all outputs in binary form")


class InferenceOutput(BaseModel):
    """One output; its values are here, or in binary form behind the JSON."""

    name: str = Field(examples=["probability"])
    datatype: str = Field(examples=["FP64"])
    shape: list[int]
    data: list[Any] = Field(default_factory=list)
    parameters: dict[str, Any] = Field(default_factory=dict)


class InferenceResponse(BaseModel):
    """Predictions as tensors, in the order of the records."""

    model_name: str
    model_version: str
    id: str = Field(default="", description="That of the request")
    parameters: dict[str, Any] = Field(description="The threshold")
    outputs: list[InferenceOutput]


class InferenceError(BaseModel):
    """What a refusal under /v2 looks like."""

    error: str


class ServerReadiness(BaseModel):
    """Whether the service can answer predictions."""

    ready: bool


class ModelReadiness(BaseModel):
    """Whether this model can answer predictions."""

    name: str
    ready: bool


MODELS = (InferenceRequest, InferenceResponse, InferenceError, ServerReadiness, ModelReadiness)
READINESS = {READY: ServerReadiness, MODEL_READY: ModelReadiness}


def describe(paths: dict[str, Any], model: OnnxModel) -> None:
    """Completes what FastAPI says of the routes under ROOT, which read their bodies themselves."""
    for (path, method), statuses in INFERENCE_REFUSALS.items():
        responses = paths[path][method]["responses"]
        responses.pop("422", None)  # what FastAPI says of the name in the path
        for status in statuses:
            content = {"schema": reference(InferenceError.__name__), "example": {"error": DETAILS[status]}}
            responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": {JSON: content}}
        for parameter in paths[path][method].get("parameters", []):
            parameter["schema"] = {"type": "string", "enum": [model.name]}
    for path, readiness in READINESS.items():
        body = {JSON: {"schema": reference(readiness.__name__)}}
        for status, description in ((200, "Ready"), (503, "The service is not ready")):
            paths[path]["get"]["responses"][str(status)] = {"description": description, "content": body}
    route = paths[INFER]["post"]
    binary = {BINARY: {"schema": {"type": "string", "format": "binary", "description": "JSON, and tensors behind it"}}}
    route["security"] = [{}, {"ApiKey": []}]
    route["parameters"] += [parameter for parameter in PARAMETERS if parameter["name"] == "dry_run"]
    route["parameters"].append(
        {
            "name": HEADER_LENGTH,
            "in": "header",
            "description": "Bytes of JSON, where binary tensors follow",
            "schema": {"type": "integer", "minimum": 0},
        }
    )
    route["requestBody"] = {
        "required": True,
        "content": {JSON: {"schema": reference(InferenceRequest.__name__), "example": _tensors(model)}} | binary,
    }
    route["responses"]["200"] = {
        "description": f"Predicted, and kept unless it is a dry run; the outputs are {', '.join(OUTPUTS)}",
        "content": {JSON: {"schema": reference(InferenceResponse.__name__)}} | binary,
    }


def _tensors(model: OnnxModel) -> dict[str, Any]:
    """The model's own example as a request of one record."""
    missing = {"number": None, "category": "", "datetime": ""}
    inputs = [
        {
            "name": column.name,
            "datatype": DATATYPES[column.kind],
            "shape": [1],
            "data": [missing[column.kind] if column.example is None else column.example],
        }
        for column in model.artifact.schema.columns
    ]
    return {"inputs": inputs}
