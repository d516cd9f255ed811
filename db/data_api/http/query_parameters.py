"""Routes without query parameters refuse those that a request has, rather than ignore them."""

from fastapi import Request
from fastapi.exceptions import RequestValidationError


async def refuse_unknown(request: Request) -> None:
    """Raises RequestValidationError (422); routes with parameters have a model, which forbids others."""
    if request.query_params and not request.scope["route"].dependant.query_params:
        raise RequestValidationError(
            [
                {"type": "extra_forbidden", "loc": ("query", name), "msg": "Extra inputs are not permitted", "input": value}
                for name, value in request.query_params.items()
            ]
        )
