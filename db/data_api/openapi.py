"""The API's document: what FastAPI derives from the routes, with every refusal as problem details."""

from typing import Any

from fastapi import FastAPI

from data_api.http.content_type import FORM, FORMS
from data_api.routes.tokens import NOBODY
from data_api.schemas.events import Events
from data_api.schemas.outcomes import Outcomes
from data_api.schemas.predictions import Predictions
from service_kit.openapi import describe, problem_content

BULK_BODIES = (Predictions, Outcomes, Events)
DESCRIPTIONS = {
    400: "The body is no JSON, or no form",
    401: "The credentials belong to no user",
    403: "Their role may not do this",
    404: "There is no such thing",
    408: "The body does not arrive in time",
    409: "It contradicts what is recorded",
    413: "The body is too large",
    415: "The body is not JSON, or no form",
    422: "A field is not as the API wants it",
    429: "Too many attempts",
    503: "The database is away, or too many requests are being answered",
}
# What only this service says; its settings have names of their own.
DETAILS = {
    401: "The key is unknown, revoked or too old. "
    "Send an API key in X-API-Key, or a token of POST /token as Authorization: Bearer.",
    408: "The request should arrive whole within 30 seconds (DATA_API_REQUEST_SECONDS).",
    413: "The body should hold at most 33,554,432 bytes (DATA_API_MAX_BODY_BYTES); it holds 40,000,000.",
    503: "32 requests are being answered (DATA_API_MAX_CONCURRENCY). Try again in a moment.",
}


def document(app: FastAPI, most_rows: int) -> dict[str, Any]:
    """The OpenAPI document of the service, whose bulk routes take so many rows."""
    page = describe(app, app.version, *BULK_BODIES)
    for body in BULK_BODIES:
        for rows in page["components"]["schemas"][body.__name__]["properties"].values():
            rows["maxItems"] = most_rows
    for path in page["paths"].values():
        for operation in path.values():
            if operation["tags"] != ["health"]:
                _add_refusals(operation)
    login = page["paths"][FORM]["post"]["responses"]
    login["401"]["content"] = problem_content(401, NOBODY)
    login["415"]["content"] = problem_content(
        415, f"The body should be {' or '.join(FORMS)} in UTF-8; Content-Type is 'application/json'."
    )
    return page


def _add_refusals(operation: dict[str, Any]) -> None:
    """What any route may refuse with, beside what it declares itself: credentials, a body, a field, a database."""
    body = {400, 408, 413, 415} if "requestBody" in operation else set()
    caller = {401, 403} if "security" in operation else set()
    declared = {int(status) for status in operation["responses"] if status >= "400"}
    names = [parameter["name"] for parameter in operation.get("parameters", ())]
    twice = {"field": names[0] if names else "limit", "wanted": "should come once", "got": "'2 of them'"}
    for status in sorted({*body, *caller, *declared, 422, 503}):
        content = problem_content(status, DETAILS.get(status), twice)
        operation["responses"][str(status)] = {"description": DESCRIPTIONS[status], "content": content}
