"""No parameter of a request is ignored: not one that a route without parameters gets, and none of several of one name."""

from collections import Counter
from collections.abc import Sequence

from fastapi import Request
from fastapi.exceptions import RequestValidationError


def refuse_repeated(parameters: Sequence[tuple[str, object]], place: str) -> None:
    """Raises RequestValidationError (422) for a parameter that comes twice: of its values one would count."""
    counts = Counter(name for name, _ in parameters)
    errors = [
        {"type": "value_error", "loc": (place, name), "msg": "should come once", "input": f"{count} of them"}
        for name, count in counts.items()
        if count > 1
    ]
    if errors:
        raise RequestValidationError(errors)


async def refuse_unknown(request: Request) -> None:
    """Raises RequestValidationError (422); routes with parameters have a model, which forbids others."""
    refuse_repeated(request.query_params.multi_items(), "query")
    if request.query_params and not request.scope["route"].dependant.query_params:
        raise RequestValidationError(
            [
                {"type": "extra_forbidden", "loc": ("query", name), "msg": "Extra inputs are not permitted", "input": value}
                for name, value in request.query_params.items()
            ]
        )
