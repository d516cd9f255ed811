"""Bodies with many rows: read after the caller is known, then validated in a thread, before a transaction begins."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from data_api.dependencies import KnownWriter, ServiceDep
from service_kit.field_errors import invalid_request
from service_kit.openapi import REFERENCE
from service_kit.problems import ProblemError

MAX_ROWS = 10_000


async def _content(_caller: KnownWriter, request: Request) -> bytes:
    return await request.body()


def rows_of(name: str, schema: Any) -> Callable[..., list[dict[str, Any]]]:
    """A dependency that returns the rows of a body ``{name: [...]}``; raises ProblemError (400, 422)."""
    body = _body(name, schema)

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


def document_of(name: str, schema: Any) -> dict[str, Any]:
    """The request body ``{name: [...]}`` for the OpenAPI document; `openapi` moves its ``$defs`` to the components."""
    json_schema = _body(name, schema).model_json_schema(ref_template=REFERENCE)
    return {"required": True, "content": {"application/json": {"schema": json_schema}}}


def _body(name: str, schema: Any) -> type[BaseModel]:
    """The schema of a body ``{name: [...]}``."""
    rows = Annotated[list[schema], Field(min_length=1, max_length=MAX_ROWS)]
    fields: dict[str, Any] = {name: (rows, ...)}
    return create_model(name.capitalize(), __config__=ConfigDict(extra="forbid"), **fields)
