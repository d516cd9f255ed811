"""What the API's document says of refusals; `openapi` gives them their shape."""

from typing import Any

SAYS = {
    400: "The body is no JSON, or no form",
    401: "Nobody is known by these credentials",
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


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route that asks the database, for its document: a body may be slow, a parameter unknown."""
    slow = {408} if 413 in statuses else set()
    return {status: {"description": SAYS[status]} for status in sorted({*statuses, *slow, 422, 503})}
