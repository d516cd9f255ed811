"""The API's document: what FastAPI derives from the routes, with every refusal as problem details."""

from typing import Any

from fastapi import FastAPI

from service_kit.openapi import describe, problem_content
from service_kit.problems import MEDIA_TYPE


def document(app: FastAPI, most_rows: int) -> dict[str, Any]:
    """The OpenAPI document of the service, whose bulk routes take so many rows."""
    page = describe(app, app.version)
    schemas = page["components"]["schemas"]
    for path in page["paths"].values():
        for operation in path.values():
            _lift_body(operation, schemas, most_rows)
            for status, answer in operation["responses"].items():
                if status >= "400" and MEDIA_TYPE not in (content := answer.setdefault("content", {})) and not _own(content):
                    answer["content"] = problem_content()
    return page


def _own(content: dict[str, Any]) -> bool:
    """Whether a route said what its refusal looks like; FastAPI says only its own shape of a 422."""
    schemas = [one.get("schema", {}) for one in content.values()]
    return any(schema and "ValidationError" not in schema.get("$ref", "") for schema in schemas)


def _lift_body(operation: dict[str, Any], schemas: dict[str, Any], most_rows: int) -> None:
    """Moves what the body of a bulk route is made of to the schemas of the document."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        if definitions := content["schema"].pop("$defs", None):
            schemas |= definitions
            for rows in content["schema"]["properties"].values():
                rows["maxItems"] = most_rows
