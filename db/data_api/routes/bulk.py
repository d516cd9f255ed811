"""Bodies with many rows: read after the caller is known, then validated in a thread, before a transaction begins."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import ValidationError

from data_api.dependencies import KnownWriter, ServiceDep
from data_api.schemas.types import Input
from service_kit.field_errors import invalid_request
from service_kit.openapi import reference
from service_kit.problems import ProblemError


async def _content(_caller: KnownWriter, request: Request) -> bytes:
    return await request.body()


def rows_of(body: type[Input]) -> Callable[..., list[dict[str, Any]]]:
    """A dependency that returns the rows of a body, which are its one field; raises ProblemError (400, 422)."""
    (name,) = body.model_fields

    def validated_rows(service: ServiceDep, content: Annotated[bytes, Depends(_content)]) -> list[dict[str, Any]]:
        try:
            rows: list[dict[str, Any]] = getattr(body.model_validate_json(content), name)
        except ValidationError as error:
            raise invalid_request(error.errors(include_url=False)) from error
        if len(rows) > service.settings.max_rows:
            detail = f"A request may hold {service.settings.max_rows:,} {name} (MAX_ROWS); this one holds {len(rows):,}."
            raise ProblemError(422, detail)
        return rows

    return validated_rows


def described(body: type[Input]) -> dict[str, Any]:
    """The request body for the OpenAPI document, to whose schemas `openapi` adds the body."""
    schema = {"schema": reference(body.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": schema}}}
