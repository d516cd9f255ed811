"""The OpenAPI page of the model that answers now: its fields, their types, ranges, units and examples."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI
from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter

from prediction_api.api import inference_openapi
from prediction_api.api.batch_formats import ARROW
from prediction_api.api.predict_options import PARAMETERS
from prediction_api.api.predict_routes import BATCH, NDJSON, PREDICT
from prediction_api.model.onnx_model import OnnxModel
from prediction_api.model.reasons import MOST_COLUMNS
from service_kit.api_keys import HEADER
from service_kit.media_type import JSON
from service_kit.openapi import REFERENCE, describe, problem_content, reference

PREDICTION_ID = "0199c2f0-7a4e-7cc3-98c4-dc0c0c07398f"
KEY = {"ApiKey": {"type": "apiKey", "in": "header", "name": HEADER}}
REFUSALS = {
    ("/predict", "post"): (400, 401, 405, 408, 409, 413, 415, 422, 503),
    ("/predict/batch", "post"): (400, 401, 405, 408, 409, 413, 415, 422, 503),
    ("/reload", "post"): (401, 502, 503),
    ("/model", "get"): (503,),
}


class PredictionWarning(BaseModel):
    """Something about a record that is unlike the training table; it was predicted all the same."""

    field: str = Field(examples=["carrier"])
    kind: str = Field(examples=["unseen_category"])
    detail: str = Field(examples=["'ZZ' was not in the training table"])


class UnusualColumn(BaseModel):
    """A column whose value is not the typical one: the middle or the most frequent value of the training table."""

    name: str = Field(examples=["distance"])
    value: float | str | None
    typical: float | str | None
    unit: str | None
    description: str


class TopicContribution(BaseModel):
    """What the columns of one topic add to the probability, compared with their typical values."""

    topic: str = Field(examples=["weather"])
    contribution: float = Field(description="Points of probability; negative where they lower it", examples=[0.12])
    columns: list[UnusualColumn] = Field(max_length=MOST_COLUMNS, description="Those furthest from typical, furthest first")


class Reasons(BaseModel):
    """Why a prediction is not that of a typical case: the contributions add up to the difference (exact Shapley values)."""

    typical_probability: float = Field(description="Of a case whose columns all have their typical values")
    topics: list[TopicContribution] = Field(description="All topics, the largest contribution first, of either sign")


class PredictionResponse(BaseModel):
    """One prediction."""

    prediction_id: Annotated[str, Field(json_schema_extra={"format": "uuid"})] | None = Field(
        description="UUID version 7: later predictions have greater ones; null of a dry run"
    )
    probability: Annotated[float, Field(ge=0, le=1, description="Calibrated probability of the target")]
    label: bool = Field(description="Whether the probability reaches the threshold")
    threshold: float
    model_version: str
    warnings: list[PredictionWarning]
    reasons: Reasons = Field(default=None, description="Only with ?reasons=true")  # type: ignore[assignment]


class SubjectPrediction(PredictionResponse):
    """One prediction with its subject, as the request gave it."""

    subject: str = Field(examples=['{"carrier":"UA","flight":1545}'])
    as_of: AwareDatetime
    log_position: int
    official: bool


class BatchResponse(BaseModel):
    """Predictions, in the order of the records."""

    predictions: list[PredictionResponse | SubjectPrediction]


def document(app: FastAPI, model: OnnxModel) -> dict[str, Any]:
    """The OpenAPI document of an app whose predict routes take what this model takes."""
    page = describe(app, model.version, BatchResponse, *inference_openapi.MODELS)
    schemas = page["components"]["schemas"]
    batch = TypeAdapter(model.records.batch_type).json_schema(ref_template=REFERENCE)
    parts = batch.pop("$defs")
    parts["Record"] |= {"examples": [_example(model)]}
    schemas |= {**parts, "Batch": batch}
    page["components"]["securitySchemes"] = KEY
    streams = {
        NDJSON: {"schema": {"type": "string", "description": "One object a line"}},
        ARROW: {
            "schema": {"type": "string", "format": "binary", "description": "An Arrow IPC stream, a column for each field"}
        },
    }
    prediction = _predicted(model)
    answer = _content(PredictionResponse.__name__, prediction)
    answers = _content(BatchResponse.__name__, {"predictions": [prediction]}) | streams
    paths = page["paths"]
    page["paths"] = {
        PREDICT: {"post": _route("Predict one record", "predict", _content("Record"), answer)},
        BATCH: {"post": _route("Predict many records", "predict_batch", _content("Batch") | streams, answers)},
        **paths,
    }
    paths = page["paths"]
    paths["/reload"]["post"]["security"] = [{"ApiKey": []}]
    for (path, method), statuses in REFUSALS.items():
        paths[path][method]["responses"] |= {str(status): _problem(status) for status in statuses}
    inference_openapi.describe(paths, model)
    return page


def _example(model: OnnxModel) -> dict[str, Any]:
    return {column.name: column.example for column in model.artifact.schema.columns}


def _predicted(model: OnnxModel) -> dict[str, Any]:
    """The answer to the model's own example."""
    inputs = model.inputs([model.example()])
    (probability,) = model.probabilities(inputs).tolist()
    answer = {"prediction_id": PREDICTION_ID, "probability": probability, "label": probability >= model.threshold}
    warnings = model.warnings(inputs).get(0, [])
    return {**answer, "threshold": model.threshold, "model_version": model.version, "warnings": warnings}


def _content(name: str, example: dict[str, Any] | None = None) -> dict[str, Any]:
    return {JSON: {"schema": reference(name), **({"example": example} if example else {})}}


def _route(summary: str, name: str, asked: dict[str, Any], answered: dict[str, Any]) -> dict[str, Any]:
    return {
        "tags": ["predict"],
        "summary": summary,
        "operationId": name,
        "security": [{}, {"ApiKey": []}],
        "parameters": PARAMETERS,
        "requestBody": {"required": True, "content": asked},
        "responses": {"200": {"description": "Predicted, and kept unless it is a dry run", "content": answered}},
    }


def _problem(status: int) -> dict[str, Any]:
    return {"description": HTTPStatus(status).phrase, "content": problem_content(status)}
