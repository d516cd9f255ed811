"""A service that echoes bodies, served by the kit on the port that the command names, for tests of its connections."""

import sys

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service_kit import server
from service_kit.app import build_app
from service_kit.body_limit import BodyLimit
from service_kit.request_middleware import RequestLimits, RequestMiddleware
from service_kit.settings import ServiceSettings

PAGE = b"x" * 100_000


class Settings(ServiceSettings):
    """Where to serve."""

    echo_host: str = "127.0.0.1"
    echo_port: int
    request_seconds: float


class Nothing:
    """A service that needs nothing."""

    async def open(self) -> None:
        """Takes nothing."""

    async def close(self) -> None:
        """Gives nothing back."""


async def echo(request: Request) -> Response:
    return Response(await request.body() if request.method == "POST" else PAGE)


async def healthz(_request: Request) -> Response:
    return Response()


def main() -> None:
    app = build_app(Nothing(), "Echo", "Echoes bodies.")
    app.router.routes += [Route("/echo", echo, methods=["GET", "POST"]), Route("/healthz", healthz)]
    limits = RequestLimits(8, "MAX_CONCURRENCY", BodyLimit(100_000, "MAX_BODY_BYTES"), {})
    app.add_middleware(RequestMiddleware, limits, lambda *_: None, frozenset(), None)
    settings = Settings(echo_port=int(sys.argv[1]), request_seconds=float(sys.argv[2]), keep_alive_seconds=1)
    fields = server.ServerFields("echo_host", "echo_port", "request_seconds")
    server.run(server.serve(app, settings, fields, {}))


if __name__ == "__main__":
    main()
