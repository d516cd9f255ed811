"""Builds the application from its settings, and serves it."""

import logging
from functools import cache, partial
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from data_api import openapi
from data_api.app_state import AppState
from data_api.errors import ContentDiffers, DatabaseUnavailable, LastAdmin, NameTaken, StatementTooLong
from data_api.logs import LOGGER
from data_api.routes import BULK, PATHS, allowed, router
from data_api.settings import Settings
from service_kit import logs, server
from service_kit.app import build_app
from service_kit.body_limit import BodyLimit
from service_kit.field_errors import MOST_FIELD_ERRORS
from service_kit.problems import FieldError, error_response, problem_response
from service_kit.request_middleware import RequestLimits, RequestMiddleware

DESCRIPTION = "Keeps predictions and what came true of them, and says how well the models do."
STATUSES: dict[type[Exception], int] = {
    NameTaken: 409,
    LastAdmin: 409,
    StatementTooLong: 422,
}
SMALL_BODY = BodyLimit(2**18, "of this path")
logger = logging.getLogger(LOGGER)


def create_app(settings: Settings) -> FastAPI:
    """The application; its lifespan prepares the database."""
    service = AppState(settings)
    app = build_app(service, "Ontime data", DESCRIPTION)
    app.include_router(router)
    app.openapi = cache(partial(openapi.document, app, settings.max_rows))  # type: ignore[method-assign]
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ContentDiffers, _content_differs)
    app.add_exception_handler(DatabaseUnavailable, _database_unavailable)
    for error, status in STATUSES.items():
        app.add_exception_handler(error, partial(_expected, status))
    access_log = logs.AccessLog() if settings.access_log else None
    app.add_middleware(RequestMiddleware, _limits(settings), service.metrics.request, PATHS, access_log)
    return app


async def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then finishes what it accepted; raises what keeps it from starting or going on."""
    logs.configure(settings.log_level, LOGGER)
    options = server.ServerOptions(
        host=settings.data_api_host,
        host_setting="DATA_API_HOST",
        port=settings.data_api_port,
        port_setting="DATA_API_PORT",
        request_seconds=settings.data_api_request_seconds,
        request_seconds_setting="DATA_API_REQUEST_SECONDS",
        keep_alive_seconds=settings.keep_alive_seconds,
        shutdown_seconds=settings.shutdown_seconds,
        forwarded_allow_ips=settings.forwarded_allow_ips,
    )
    app = create_app(settings)
    service: AppState = app.state.service
    listening = server.listen(options)
    await service.open()  # before the server: what is wrong here is said in one sentence
    if settings.defaults_in_use:
        logger.warning(
            "secrets of development are in use: for this machine alone", extra={"settings": settings.defaults_in_use}
        )
    database = {"database": service.engine.url.render_as_string()}
    await server.serve(app, listening, options, service.stopping, database)
    if service.fatal:
        raise service.fatal


def _limits(settings: Settings) -> RequestLimits:
    bulk = BodyLimit(settings.data_api_max_body_bytes, "DATA_API_MAX_BODY_BYTES")
    most_at_once = settings.data_api_max_concurrency
    return RequestLimits(most_at_once, "DATA_API_MAX_CONCURRENCY", SMALL_BODY, dict.fromkeys(BULK, bulk))


async def _http_error(request: Request, error: Any) -> Response:
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and (methods := allowed(request.url.path)):
        return problem_response(error.status_code, f"This path takes {methods}.", headers={"allow": methods})
    return error_response(error)


async def _expected(status: int, _request: Request, error: Exception) -> Response:
    return problem_response(status, _sentence(str(error)))


async def _database_unavailable(request: Request, error: Any) -> Response:
    """The reason, which may name hosts and users, is in the log."""
    logger.warning("a request found no database", extra={"reason": str(error), "request_id": request.state.request_id})
    return problem_response(503, _sentence(error.told))


async def _content_differs(_request: Request, error: Any) -> Response:
    """Names each field by its place, as a 422 does: whoever sent many rows can take out those that are refused."""
    faults = [
        FieldError(field=f"{place}{name}", wanted=f"what is recorded of {recorded}", got="something else")
        for place, recorded, fields in error.differing[:MOST_FIELD_ERRORS]
        for name in fields
    ]
    return problem_response(409, _sentence(str(error)), faults[:MOST_FIELD_ERRORS])


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text[-1:] != "." else f"{text[:1].upper()}{text[1:]}"
