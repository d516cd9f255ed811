"""Refusals over HTTP, in one shape for the whole API: problem details (RFC 9457)."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 2
SECRETS = {"password"}
MOST_FAULTS, MOST_CHARACTERS = 20, 80


class FieldError(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(examples=["predictions.3.probability"])
    wanted: str = Field(examples=["Input should be less than or equal to 1"])
    got: str = Field(examples=["1.5"])


class Problem(BaseModel):
    """What every refusal looks like."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["One field is not as the API wants it."])
    errors: list[FieldError] = Field(default_factory=list)


class ProblemError(HTTPException):
    """A request that is not answered as asked: its status, a sentence, and the faults of single fields."""

    def __init__(
        self, status: int, detail: str, faults: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, detail, headers)
        self.faults = faults


def refused(error: HTTPException) -> Response:
    """The answer to a request that was refused, by this service or by its framework."""
    return problem(error.status_code, str(error.detail), getattr(error, "faults", ()), error.headers)


def problem(
    status: int, detail: str, faults: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """A problem as a response; with 503 the caller is told when to come back."""
    told: dict[str, Any] = {"type": "about:blank", "title": title(status), "status": status, "detail": detail}
    if faults:
        told["errors"] = [fault.model_dump() for fault in faults[:MOST_FAULTS]]
    retry = {"retry-after": str(RETRY_SECONDS)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return Response(to_json(told), status, {**retry, **(headers or {})}, MEDIA_TYPE)


def invalid(errors: Sequence[Any]) -> ProblemError:
    """Pydantic's errors as a refusal (422), or 400 where the body is no JSON at all."""
    faults = []
    for error in errors:
        if error["type"] == "json_invalid":
            reason = str(error.get("ctx", {}).get("error", error["msg"]))
            return ProblemError(400, f"The body should be JSON in UTF-8; {reason[:1].lower()}{reason[1:]}.")
        place = ".".join(str(part) for part in error["loc"] if part not in {"body", "query", "path", "header"})
        faults.append(FieldError(field=place or "body", wanted=error["msg"], got=_got(error)))
    count = (
        "One field is not as the API wants it" if len(faults) == 1 else f"{len(faults)} fields are not as the API wants them"
    )
    return ProblemError(422, f"{count}; GET /docs shows how.", faults)


def _got(error: Any) -> str:
    """What was there instead, for a person: never a secret, and cut where it is long."""
    value = error.get("input")
    if error["type"] == "missing":
        return "nothing"
    if SECRETS.intersection(error["loc"]):
        return "a secret, which is not shown"
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    text = repr(value)
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 3]}..."


def title(status: int) -> str:
    """The phrase of a status."""
    return HTTPStatus(status).phrase
