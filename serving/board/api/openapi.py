"""The OpenAPI page of the board."""

from typing import Any

from fastapi import FastAPI

from service_kit.api_keys import HEADER
from service_kit.openapi import describe, problem_content

KEY = {"ApiKey": {"type": "apiKey", "in": "header", "name": HEADER}}
REFUSALS = {
    ("/predictions", "post"): (400, 401, 404, 405, 408, 409, 413, 422, 503),
    ("/upcoming", "get"): (401, 405, 409, 422, 503),
}


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of the board, with its refusals."""
    page = describe(app, "1")
    page["components"]["securitySchemes"] = KEY
    for (path, method), statuses in REFUSALS.items():
        route = page["paths"][path][method]
        route["security"] = [{}, {"ApiKey": []}]
        route["responses"] |= {
            str(status): {"description": "Refused", "content": problem_content(status)} for status in statuses
        }
    return page
