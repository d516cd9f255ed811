"""The application of a service before its routes: life cycle, the page /docs, and every refusal as a problem."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Protocol

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi_swagger import patch_fastapi
from starlette.exceptions import HTTPException

from service_kit import health
from service_kit.field_errors import invalid_request
from service_kit.problems import ProblemError, error_response


class Service(Protocol):
    """What an application needs of the state that it serves; a second ``open`` changes nothing."""

    async def open(self) -> None:
        """Takes what the service needs to answer."""

    async def close(self) -> None:
        """Gives back what it took."""

    def checks(self) -> dict[str, dict[str, Any]]:
        """The state of each thing that the service needs, by name; ``ok`` says whether it works."""


def build_app(service: Service, title: str, description: str, root_path: str = "", has_home_page: bool = False) -> FastAPI:
    """An application with the routes of health alone; it opens and closes the service, which is its ``state.service``.

    The root leads to the page of the API, unless the service ``has_home_page``.
    """
    app = FastAPI(
        title=title,
        description=description,
        lifespan=partial(_lifespan, service),
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        root_path=root_path,
        redirect_slashes=False,  # a caller would have to send the body twice, to an address that only proxies know
        telemetry={"tracing": False, "metrics": False, "logs": False},  # the services have metrics and logs of their own
    )
    app.include_router(health.router)
    if not has_home_page:
        app.add_api_route("/", _redirect_to_docs, include_in_schema=False)
    app.add_api_route("/docs", partial(_docs, title), include_in_schema=False)
    patch_fastapi(app, redirect_from_root_to_docs=False)  # what /docs needs, so that it shows without a network
    app.state.service = service
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    return app


@asynccontextmanager
async def _lifespan(service: Service, _app: FastAPI) -> AsyncIterator[None]:
    await service.open()
    try:
        yield
    finally:
        await service.close()


async def _docs(title: str) -> Response:
    """The page of the API; its addresses are relative, because only proxies know those that callers see."""
    return get_swagger_ui_html(
        openapi_url="openapi.json",
        title=title,
        swagger_js_url="swagger/swagger-ui-bundle.js",
        swagger_css_url="swagger/swagger-ui.css",
        swagger_favicon_url="swagger/favicon-32x32.png",
        swagger_ui_parameters={"tryItOutEnabled": True, "persistAuthorization": True},
    )


async def _redirect_to_docs() -> Response:
    return Response(status_code=307, headers={"location": "docs"})


async def _http_error(_request: Request, error: Any) -> Response:
    allowed = (error.headers or {}).get("Allow")
    return error_response(
        ProblemError(error.status_code, f"This path takes {allowed}.", (), error.headers) if allowed else error
    )


async def _validation_error(_request: Request, error: Any) -> Response:
    return error_response(invalid_request(error.errors()))
