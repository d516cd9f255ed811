"""Refusals over HTTP, in one shape for the whole API: problem details (RFC 9457)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 1


@dataclass(frozen=True)
class FieldError:
    """One thing that is wrong with a request: where, what was wanted, what was got."""

    field: str
    wanted: str
    got: str


class ProblemError(Exception):
    """A request that is not answered as asked: its status, a sentence, and the faults of single fields."""

    def __init__(
        self, status: int, detail: str, faults: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.faults, self.headers = status, detail, faults, dict(headers or {})


class FieldErrorBody(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(examples=["distance"])
    wanted: str = Field(examples=["a number of miles from 10 to 6000, or null"])
    got: str = Field(examples=["'far'"])


class Problem(BaseModel):
    """What every refusal looks like."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["One field is not as the schema of the model wants it."])
    errors: list[FieldErrorBody] = Field(default_factory=list)


def refused(refusal: ProblemError) -> Response:
    """The answer to a request that was refused."""
    return problem(refusal.status, refusal.detail, refusal.faults, refusal.headers)


def problem(
    status: int, detail: str, faults: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """A problem as a response; with 503 the caller is told when to come back."""
    retry = {"retry-after": str(RETRY_SECONDS)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return Response(body(status, detail, faults), status, {**retry, **(headers or {})}, MEDIA_TYPE)


def body(status: int, detail: str, faults: Sequence[FieldError] = ()) -> bytes:
    """A problem as JSON."""
    told: dict[str, Any] = {"type": "about:blank", "title": title(status), "status": status, "detail": detail}
    if faults:
        told["errors"] = [asdict(fault) for fault in faults]
    return to_json(told)


def title(status: int) -> str:
    """The phrase of a status."""
    return HTTPStatus(status).phrase
