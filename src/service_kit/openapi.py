"""The OpenAPI documents of all services: FastAPI's own document, with problem details in place of its validation errors."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service_kit.problems import MEDIA_TYPE, Problem

REFERENCE = "#/components/schemas/{model}"
UNUSED = ("HTTPValidationError", "ValidationError")


def describe(app: FastAPI, version: str, *models: type[BaseModel]) -> dict[str, Any]:
    """The document of an application, whose schemas include those of problems and of ``models``."""
    page = get_openapi(title=app.title, version=version, description=app.description, routes=app.routes)
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


def problem_content() -> Mapping[str, Any]:
    """The content of a response that is a problem."""
    return {MEDIA_TYPE: {"schema": reference("Problem")}}
