"""Builds the application from its settings, and serves it."""

import logging
from functools import cache, partial
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from data_api import openapi
from data_api.app_state import AppState
from data_api.errors import DatabaseUnavailable
from data_api.routes import BULK, PATHS, allowed, router
from data_api.settings import Settings
from service_kit import logs, server
from service_kit.app import build_app
from service_kit.body_limit import BodyLimit
from service_kit.problems import ProblemError, error_response
from service_kit.request_middleware import RequestLimits, RequestMiddleware, route_path

DESCRIPTION = "Keeps predictions and what came true of them, and says how well the models do."
SMALL_BODY = BodyLimit(2**18, "of this path")
SERVER_FIELDS = server.ServerFields("data_api_host", "data_api_port", "data_api_request_seconds")
logger = logging.getLogger(__name__)


def create_app(settings: Settings) -> FastAPI:
    """The application; its lifespan prepares the database."""
    service = AppState(settings)
    app = build_app(service, "Ontime data", DESCRIPTION, settings.root_path)
    app.include_router(router)
    app.openapi = cache(partial(openapi.document, app, settings.max_rows))  # type: ignore[method-assign]
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(DatabaseUnavailable, _database_unavailable)
    access_log = logs.AccessLog() if settings.access_log else None
    app.add_middleware(RequestMiddleware, _limits(settings), service.metrics.request, PATHS, access_log)
    return app


async def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then finishes what it accepted; raises what keeps it from starting or going on."""
    logs.configure(settings.log_level, "data_api")
    app = create_app(settings)
    service: AppState = app.state.service
    database = {"database": service.engine.url.render_as_string()}
    await server.serve(app, settings, SERVER_FIELDS, database, service.stopping)
    if service.fatal:
        raise service.fatal


def _limits(settings: Settings) -> RequestLimits:
    bulk = BodyLimit(settings.data_api_max_body_bytes, "DATA_API_MAX_BODY_BYTES")
    most_at_once = settings.data_api_max_concurrency
    return RequestLimits(most_at_once, "DATA_API_MAX_CONCURRENCY", SMALL_BODY, dict.fromkeys(BULK, bulk))


async def _http_error(request: Request, error: Any) -> Response:
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and (methods := allowed(route_path(request.scope))):
        error = ProblemError(error.status_code, f"This path takes {methods}.", headers={"allow": methods})
    return error_response(error)


async def _database_unavailable(request: Request, error: Any) -> Response:
    """The reason, which may name hosts and users, is only in the log."""
    logger.warning("a request found no database", extra={"reason": str(error), "request_id": request.state.request_id})
    return error_response(ProblemError(503, f"{error.public_message.capitalize()}."))
