"""Builds the application from its settings, and serves it."""

import asyncio
from functools import lru_cache, partial

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from prediction_api.api import openapi, predict_routes, routes
from prediction_api.app_state import AppState
from prediction_api.logs import LOGGER
from prediction_api.model.request_schema import RECORD_BYTES
from prediction_api.settings import Settings
from service_kit import logs, server
from service_kit.app import build_app
from service_kit.body_limit import BodyLimit
from service_kit.request_middleware import RequestLimits, RequestMiddleware

DESCRIPTION = "Answers predictions from a model directory. Every answer is kept before it leaves."
LOCAL_PROXY = "127.0.0.1"  # may say where a request comes from


def create_app(settings: Settings) -> FastAPI:
    """The application; its lifespan loads the model and delivers the outbox. Raises SettingsInvalid or OutboxUnusable."""
    service = AppState(settings)
    app = build_app(service, "Ontime predictions", DESCRIPTION)
    app.router.routes[:0] = predict_routes.ROUTES  # first, because they are asked most
    app.include_router(routes.router)
    documented = lru_cache(1)(partial(openapi.document, app))
    app.openapi = lambda: documented(service.model_manager.current.model)  # type: ignore[method-assign]
    access_log = logs.AccessLog() if settings.access_log else None
    app.add_middleware(RequestMiddleware, _limits(settings), service.metrics.request, routes.PATHS, access_log)
    if origins := [origin for part in settings.cors_origins.split(",") if (origin := part.strip())]:
        app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=["*"])
    return app


async def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then finishes what it accepted; raises what keeps it from starting."""
    logs.configure(settings.log_level, LOGGER)
    options = server.ServerOptions(
        host=settings.prediction_api_host,
        host_setting="PREDICTION_API_HOST",
        port=settings.prediction_api_port,
        port_setting="PREDICTION_API_PORT",
        request_seconds=settings.request_seconds,
        request_seconds_setting="REQUEST_SECONDS",
        keep_alive_seconds=settings.keep_alive_seconds,
        shutdown_seconds=settings.shutdown_seconds,
        forwarded_allow_ips=LOCAL_PROXY,
    )
    app = create_app(settings)
    service: AppState = app.state.service
    listening = server.listen(options)
    await service.open()  # before the server: what is wrong here is said in one sentence
    await server.serve(app, listening, options, asyncio.Event(), {"waiting": service.outbox.depth})


def _limits(settings: Settings) -> RequestLimits:
    body = BodyLimit(settings.max_body_bytes, "MAX_BODY_BYTES")
    one_record = min(body, BodyLimit(RECORD_BYTES, "one record"))
    return RequestLimits(settings.max_concurrency, "MAX_CONCURRENCY", body, {predict_routes.PREDICT: one_record})
