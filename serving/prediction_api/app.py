"""Builds the application from its settings, and runs it."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi_swagger import patch_fastapi
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from prediction_api.api import openapi, routes
from prediction_api.api.predict_routes import PredictRoutes
from prediction_api.api.request_middleware import RequestMiddleware
from prediction_api.api.timeouts import TimeoutProtocol, refuse_slow
from prediction_api.app_state import AppState
from prediction_api.errors import SettingsInvalid
from prediction_api.logs import LOGGER, AccessLog, configure
from prediction_api.problems import ProblemError, problem, refused
from prediction_api.settings import Settings

DESCRIPTION = "Answers predictions from a model directory. Every answer is kept before it leaves."
BACKLOG = 2048
logger = logging.getLogger(LOGGER)


def create_app(settings: Settings) -> FastAPI:
    """The application; its lifespan loads the model and opens the outbox. Raises SettingsInvalid."""
    service = AppState(settings)
    app = FastAPI(
        title="Ontime predictions",
        description=DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    patch_fastapi(app)  # /docs with all that it needs, so that it shows without a network
    app.state.service = service
    app.include_router(routes.router)
    documented = lru_cache(1)(partial(openapi.document, app))
    app.openapi = lambda: documented(service.live.served.model)  # type: ignore[method-assign]
    app.add_exception_handler(ProblemError, _refused)
    app.add_exception_handler(HTTPException, _http_refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    direct = PredictRoutes(service).routes
    paths = routes.PATHS.union(direct)
    access_log = app.state.access_log = AccessLog() if settings.access_log else None
    app.add_middleware(RequestMiddleware, direct, service.metrics, paths, settings.max_concurrency, access_log)
    if origins := [origin for part in settings.cors_origins.split(",") if (origin := part.strip())]:
        app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=["*"])
    return app


async def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then finishes what it accepted; raises what keeps it from starting."""
    configure(settings.log_level)
    app = create_app(settings)
    listening = _listening(settings.prediction_api_host, settings.prediction_api_port)
    await app.state.service.open()  # before the server: what is wrong here is said in one sentence
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        http=TimeoutProtocol,
        ws="none",
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=int(settings.shutdown_seconds) or 1,
    )
    server = uvicorn.Server(config)
    host, port = listening.getsockname()[:2]
    page = f"http://{f'[{host}]' if ':' in host else host}:{port}/docs"
    logger.info("listening", extra={"page": page, "waiting": app.state.service.outbox.depth})
    looking = asyncio.create_task(refuse_slow(server.server_state.connections, settings.request_seconds))
    try:
        await server.serve(sockets=[listening])
    finally:
        looking.cancel()


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingsInvalid(
            f"The service should listen on {host}, port {port} (PREDICTION_API_HOST, PREDICTION_API_PORT); "
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
        if app.state.access_log:
            app.state.access_log.flush()


async def _refused(_request: Request, error: Any) -> Response:
    return refused(error)


async def _http_refused(_request: Request, error: Any) -> Response:
    return problem(error.status_code, str(error.detail), headers=error.headers)


async def _invalid(_request: Request, error: Any) -> Response:
    return problem(422, str(error))
