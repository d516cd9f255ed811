"""Builds the application from its settings, and serves it."""

from functools import lru_cache, partial

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from prediction_api.api import inference_routes, openapi, predict_routes, routes
from prediction_api.app_state import AppState
from prediction_api.logs import LOGGER
from prediction_api.model.record_reader import RECORD_BYTES
from prediction_api.open_inference.error_form import ErrorForm, refusal_form
from prediction_api.open_inference.infer_request import HEADER_LENGTH
from prediction_api.settings import Settings
from service_kit import logs, server
from service_kit.app import build_app
from service_kit.body_limit import BodyLimit
from service_kit.request_middleware import RequestLimits, RequestMiddleware

DESCRIPTION = "Answers predictions from a model directory. Every answer is kept before it leaves."
SERVER_FIELDS = server.ServerFields("prediction_api_host", "prediction_api_port", "request_seconds")


def create_app(settings: Settings) -> FastAPI:
    """The application; its lifespan loads the model and delivers the outbox. Raises SettingsInvalid or OutboxUnusable."""
    service = AppState(settings)
    app = build_app(service, "Ontime predictions", DESCRIPTION, settings.root_path)
    app.router.routes[:0] = predict_routes.ROUTES  # first, because they are asked most
    app.include_router(routes.router)
    app.include_router(inference_routes.router)
    documented = lru_cache(1)(partial(openapi.document, app))
    app.openapi = lambda: documented(service.model_manager.current.model)  # type: ignore[method-assign]
    access_log = logs.AccessLog() if settings.access_log else None
    app.add_middleware(RequestMiddleware, _limits(settings), service.metrics.request, routes.PATHS, access_log)
    app.add_middleware(ErrorForm)
    app.state.refusal_form = refusal_form  # of requests that do not arrive in time, which no middleware sees
    if origins := [origin for part in settings.cors_origins.split(",") if (origin := part.strip())]:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=[HEADER_LENGTH],
        )
    return app


async def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then finishes what it accepted; raises what keeps it from starting."""
    logs.configure(settings.log_level, LOGGER)
    app = create_app(settings)
    service: AppState = app.state.service
    await server.serve(app, settings, SERVER_FIELDS, {"waiting": service.outbox.depth})


def _limits(settings: Settings) -> RequestLimits:
    body = BodyLimit(settings.max_body_bytes, "MAX_BODY_BYTES")
    one_record = min(body, BodyLimit(RECORD_BYTES, "one record"))
    return RequestLimits(
        settings.max_concurrency,
        "MAX_CONCURRENCY",
        body,
        {predict_routes.PREDICT: one_record},
        inference_routes.is_unlimited,
    )
