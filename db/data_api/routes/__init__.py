"""The routes, one file per thing: thin, because the queries live in `crud` and the rules in `schemas`."""

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from starlette.routing import compile_path

from data_api.http.content_type import wants_json
from data_api.routes import api_keys, deployments, health, models, outcomes, performance, predictions, tokens, users

PARTS = (predictions, outcomes, performance, deployments, models, tokens, users, api_keys, health)
router = APIRouter(dependencies=[Depends(wants_json)])
for part in PARTS:
    router.include_router(part.router)
BULK = ("/predictions", "/outcomes")  # paths that take bodies with many rows
ROUTES = [
    (compile_path(route.path)[0], route.methods)
    for part in PARTS
    for route in part.router.routes
    if isinstance(route, APIRoute)
]
PATHS = frozenset(route.path for part in PARTS for route in part.router.routes if isinstance(route, APIRoute))


def allowed(path: str) -> str:
    """The methods that a path takes, for the header Allow: of all its routes, not of the first alone."""
    return ", ".join(sorted({method for pattern, methods in ROUTES if pattern.match(path) for method in methods or ()}))
