"""Parameters of a query: one that a route does not know is refused, rather than taken for no wish at all."""

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute

from data_api.http.problems import MOST_FAULTS, FieldError, ProblemError


async def known_parameters(request: Request) -> None:
    """Raises Refusal (422) for parameters that the route does not have, by name."""
    if not request.query_params:
        return
    known = _names(request.scope["route"])
    unknown = [name for name in dict.fromkeys(request.query_params) if name not in known]
    if unknown:
        wanted = f"one of {', '.join(sorted(known))}" if known else "no parameter"
        faults = [FieldError(field=name[:80], wanted=wanted, got="an unknown parameter") for name in unknown[:MOST_FAULTS]]
        raise ProblemError(422, "The query has a parameter that this path does not know.", faults)


def _names(route: APIRoute) -> frozenset[str]:
    return frozenset(field.alias for field in get_flat_params(route.dependant) if isinstance(field.field_info, Query))
