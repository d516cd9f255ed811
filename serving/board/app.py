"""Builds the application from its settings, and serves it."""

from functools import cache, partial

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

from board.api import openapi, routes
from board.app_state import AppState
from board.pages import routes as pages
from board.pages.access.session import Sessions
from board.pages.frame.page_route import http_error
from board.settings import Settings
from service_kit import logs, server
from service_kit.app import build_app
from service_kit.body_limit import BodyLimit
from service_kit.request_middleware import RequestLimits, RequestMiddleware

DESCRIPTION = "Follows what happens, predicts each subject when its time comes, and answers questions about any of them."
SERVER_FIELDS = server.ServerFields("board_host", "board_port", "board_request_seconds", page="/")
GZIP_LEVEL = 4  # a page of 1,000 flights in a few milliseconds
SMALL_BODY = BodyLimit(2**16, "of this path")


def create_app(settings: Settings) -> FastAPI:
    """The application; its lifespan follows the log. Raises SettingsInvalid."""
    service = AppState(settings)
    app = build_app(service, "Ontime board", DESCRIPTION, settings.root_path, has_home_page=True)
    app.include_router(routes.router)
    app.include_router(pages.router)
    app.add_exception_handler(HTTPException, http_error(app.exception_handlers[HTTPException]))
    app.openapi = cache(partial(openapi.document, app))  # type: ignore[method-assign]
    access_log = logs.AccessLog() if settings.access_log else None
    limits = RequestLimits(settings.board_max_concurrency, "BOARD_MAX_CONCURRENCY", SMALL_BODY, {})
    app.add_middleware(Sessions, settings.session_secret, settings.root_path)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=GZIP_LEVEL)
    app.add_middleware(RequestMiddleware, limits, service.metrics.request, routes.PATHS | pages.PATHS, access_log)
    return app


async def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then finishes what it accepted; raises what keeps it from starting."""
    logs.configure(settings.log_level, "board")
    app = create_app(settings)
    await server.serve(app, settings, SERVER_FIELDS, {})
