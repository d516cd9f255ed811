"""The routes, one file for each resource: thin, because the queries are in `crud` and the rules in `schemas`."""

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from starlette.routing import compile_path

from data_api.http.content_type import wants_json
from data_api.http.query_parameters import refuse_unknown
from data_api.routes import api_keys, deployments, events, model_versions, outcomes, performance, predictions, tokens, users
from service_kit import health

PARTS = (predictions, outcomes, events, performance, deployments, model_versions, tokens, users, api_keys)
router = APIRouter(dependencies=[Depends(wants_json), Depends(refuse_unknown)])
for part in PARTS:
    router.include_router(part.router)
BULK = ("/predictions", "/outcomes", "/events")  # paths whose bodies hold many rows
ROUTES = [
    (route.path, compile_path(route.path)[0], route.methods)
    for part in (*PARTS, health)
    for route in part.router.routes
    if isinstance(route, APIRoute)
]
PATHS = frozenset(path for path, _, _ in ROUTES)


def allowed(path: str) -> str:
    """The methods of a path over all its routes, for the header Allow."""
    return ", ".join(sorted({method for _, pattern, methods in ROUTES if pattern.match(path) for method in methods or ()}))
