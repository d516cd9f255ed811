"""Builds the application from its settings, and runs it."""

import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from http import HTTPStatus
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi_swagger import patch_fastapi
from starlette.exceptions import HTTPException

from data_api import openapi
from data_api.app_state import AppState
from data_api.errors import ContentDiffers, DatabaseUnavailable, LastAdmin, NameTaken, SettingsInvalid, StatementTooLong
from data_api.http.problems import MOST_FAULTS, FieldError, invalid, problem, refused
from data_api.http.request_middleware import RequestMiddleware
from data_api.logs import LOGGER, configure
from data_api.routes import allowed, router
from data_api.settings import Settings

DESCRIPTION = "Keeps predictions and what came true of them, and says how well the models do."
STATUSES: dict[type[Exception], int] = {
    NameTaken: 409,
    LastAdmin: 409,
    StatementTooLong: 422,
}
BACKLOG = 2048
logger = logging.getLogger(LOGGER)


def create_app(settings: Settings) -> FastAPI:
    """The application; its lifespan prepares the database."""
    service = AppState(settings)
    app = FastAPI(
        title="Ontime data",
        description=DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    patch_fastapi(app)  # /docs with all that it needs, so that it shows without a network
    app.state.service = service
    app.include_router(router)
    app.openapi = cache(partial(openapi.document, app, settings.max_rows))  # type: ignore[method-assign]
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ContentDiffers, _differing)
    app.add_exception_handler(DatabaseUnavailable, _away)
    for error, status in STATUSES.items():
        app.add_exception_handler(error, partial(_said, status))
    app.add_middleware(RequestMiddleware, service.metrics, settings)
    return app


async def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then finishes what it accepted; raises what keeps it from starting."""
    configure(settings.log_level)
    app = create_app(settings)
    service: AppState = app.state.service
    listening = _listening(settings.data_api_host, settings.data_api_port)
    await service.open()  # before the server: what is wrong here is said in one sentence
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.forwarded_allow_ips),  # whoever may say from where a request comes may guess without end
        forwarded_allow_ips=settings.forwarded_allow_ips,
        ws="none",
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=int(settings.shutdown_seconds) or 1,
    )
    server = uvicorn.Server(config)
    service.stop = lambda: setattr(server, "should_exit", True)
    host, port = listening.getsockname()[:2]
    page = f"http://{f'[{host}]' if ':' in host else host}:{port}/docs"
    logger.info("listening", extra={"page": page, "database": service.engine.url.render_as_string()})
    if settings.defaults_in_use:
        logger.warning(
            "secrets of development are in use: for this machine alone", extra={"settings": settings.defaults_in_use}
        )
    await server.serve(sockets=[listening])
    if service.fatal:
        raise service.fatal


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingsInvalid(
            f"The service should listen on {host}, port {port} (DATA_API_HOST, DATA_API_PORT); "
            f"{error.strerror or error}. End what listens there, or choose another."
        ) from error


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: AppState = app.state.service
    await service.open()
    try:
        yield
    finally:
        await service.close()


async def _refused(request: Request, error: Any) -> Response:
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and (methods := allowed(request.url.path)):
        return problem(error.status_code, f"This path takes {methods}.", headers={"allow": methods})
    return refused(error)


async def _invalid(_request: Request, error: Any) -> Response:
    return refused(invalid(error.errors()))


async def _said(status: int, _request: Request, error: Exception) -> Response:
    return problem(status, _sentence(str(error)))


async def _away(request: Request, error: Any) -> Response:
    """The reason, which may name hosts and users, is in the log."""
    logger.warning("a request found no database", extra={"reason": str(error), "request_id": request.state.request_id})
    return problem(503, _sentence(error.told))


async def _differing(_request: Request, error: Any) -> Response:
    """Names each field by its place, as a 422 does: whoever sent many rows can take out those that are refused."""
    faults = [
        FieldError(field=f"{place}{name}", wanted=f"what is recorded of {recorded}", got="something else")
        for place, recorded, fields in error.differing[:MOST_FAULTS]
        for name in fields
    ]
    return problem(409, _sentence(str(error)), faults)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text[-1:] != "." else f"{text[:1].upper()}{text[1:]}"
