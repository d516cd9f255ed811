"""The OpenAPI documents of all services: FastAPI's own document, with problem details in place of its validation errors."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service_kit.problems import MEDIA_TYPE, Problem

REFERENCE = "#/components/schemas/{model}"
UNUSED = ("HTTPValidationError", "ValidationError")
UNPROCESSABLE = 422
FIELD_ERROR = {"field": "probability", "wanted": "a number from 0 to 1", "got": "1.5"}
DETAILS = {
    400: "The body should be JSON in UTF-8; EOF while parsing an object at line 1 column 9.",
    401: "The header X-API-Key should hold a key.",
    403: "The role reader may not do this.",
    404: "There is nothing under this path.",
    405: "This path takes POST.",
    408: "The request should arrive whole within 10 seconds (REQUEST_SECONDS).",
    409: "Something else is recorded under this id.",
    413: "The body should hold at most 8,388,608 bytes (MAX_BODY_BYTES); it holds 9,000,000.",
    415: "The body should be application/json in UTF-8; Content-Type is 'text/plain'.",
    422: "One field is not as the API wants it; GET /docs shows how.",
    429: "There were too many attempts. Try again in 60 seconds.",
    502: "The model cannot be fetched. The old one goes on answering.",
    503: "256 requests are being answered (MAX_CONCURRENCY). Try again in a moment.",
}


def describe(app: FastAPI, version: str, *models: type[BaseModel]) -> dict[str, Any]:
    """The document of an application, whose schemas include those of problems and of ``models``."""
    servers = [{"url": app.root_path}] if app.root_path else None
    page = get_openapi(title=app.title, version=version, description=app.description, routes=app.routes, servers=servers)
    schemas = page.setdefault("components", {}).setdefault("schemas", {})
    for unused in UNUSED:
        schemas.pop(unused, None)
    every: tuple[type[BaseModel], ...] = (*models, Problem)
    _, described = models_json_schema([(model, "serialization") for model in every], ref_template=REFERENCE)
    schemas |= described["$defs"]
    return page


def reference(name: str) -> dict[str, str]:
    """A reference to the schema of this name."""
    return {"$ref": REFERENCE.format(model=name)}


def problem_content(
    status: int, detail: str | None = None, field_error: Mapping[str, str] = FIELD_ERROR
) -> Mapping[str, Any]:
    """The content of a response that is a problem, with an example of this status: the usual one, or that of its route."""
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail or DETAILS[status],
    }
    example = problem | ({"errors": [field_error]} if status == UNPROCESSABLE else {})
    return {MEDIA_TYPE: {"schema": reference("Problem"), "example": example}}
