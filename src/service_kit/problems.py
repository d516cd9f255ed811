"""Refusals over HTTP in one shape: problem details (RFC 9457)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 1
CLOSE = {"connection": "close"}  # for a refusal that leaves a part of the request unread


@dataclass(frozen=True)
class FieldError:
    """One thing that is wrong with a request: where, what was wanted, what was got."""

    field: Annotated[str, Field(examples=["probability"])]
    wanted: Annotated[str, Field(examples=["a number from 0 to 1"])]
    got: Annotated[str, Field(examples=["1.5"])]


class Problem(BaseModel):
    """What every refusal looks like."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["One field is not as the API wants it."])
    errors: list[FieldError] = Field(default_factory=list)


class ProblemError(HTTPException):
    """A request that is not answered as asked: its status, a sentence, and the errors of single fields."""

    def __init__(
        self, status: int, detail: str, field_errors: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, detail, headers)
        self.field_errors = field_errors


def error_response(error: HTTPException) -> Response:
    """The answer to a request that a service, or its framework, refused; with status 503 it says when to try again."""
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if error.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.setdefault("retry-after", str(RETRY_SECONDS))
    if {"GET", "HEAD"}.intersection(headers.get("allow", "").split(", ")) == {"GET"}:
        headers["allow"] += ", HEAD"  # which the middleware answers wherever it answers GET
    content = problem_json(error.status_code, str(error.detail), getattr(error, "field_errors", ()))
    return Response(content, error.status_code, headers, MEDIA_TYPE)


def problem_json(status: int, detail: str, field_errors: Sequence[FieldError] = ()) -> bytes:
    """A problem as JSON."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return to_json(content | ({"errors": field_errors} if field_errors else {}))
