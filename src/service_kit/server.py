"""The web server: listens, serves an application until it is told to stop, and lets it finish what it accepted."""

import asyncio
import logging
import socket
from collections.abc import Coroutine, Mapping
from typing import Any, NamedTuple

import uvicorn
from fastapi import FastAPI
from uvicorn.loops.auto import auto_loop_factory

from service_kit.errors import SettingsInvalid
from service_kit.settings import ServiceSettings
from service_kit.timeouts import TimeoutProtocol, refuse_slow

BACKLOG = 2048
logger = logging.getLogger(__name__)


class ServerFields(NamedTuple):
    """The names of the fields of settings that say where to listen, and how long a request may take; and the first page."""

    host: str
    port: str
    request_seconds: str
    page: str = "/docs"


def run(serving: Coroutine[Any, Any, None]) -> None:
    """Runs a service to its end, on uvloop where there is one."""
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(serving)


async def serve(
    app: FastAPI,
    settings: ServiceSettings,
    fields: ServerFields,
    details: Mapping[str, Any],
    stop: asyncio.Event | None = None,
) -> None:
    """Serves until SIGTERM, SIGINT or ``stop``, then finishes what it accepted; logs ``details`` at the start.

    Raises what keeps the service from opening, and SettingsInvalid if it cannot listen.
    """
    sockets = _listen(settings, fields)
    await app.state.service.open()  # the server would only log what is wrong here
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        http=TimeoutProtocol,
        ws="none",
        proxy_headers=bool(settings.forwarded_allow_ips),
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=int(settings.shutdown_seconds) or 1,
    )
    server = uvicorn.Server(config)
    logger.info("listening", extra={"page": _page(sockets[0], fields.page), **details})
    seconds, setting = getattr(settings, fields.request_seconds), fields.request_seconds.upper()
    tasks = [asyncio.create_task(refuse_slow(server.server_state.connections, seconds, setting))]
    if stop:
        tasks.append(asyncio.create_task(_exit_on(stop, server)))
    try:
        await server.serve(sockets=sockets)
    finally:
        for task in tasks:
            task.cancel()


def _listen(settings: ServiceSettings, fields: ServerFields) -> list[socket.socket]:
    """The sockets; for ``::`` also one of IPv4, so that IPv4 addresses keep their usual form."""
    host, port = getattr(settings, fields.host), getattr(settings, fields.port)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sockets = [socket.create_server((host, port), family=family, backlog=BACKLOG)]
        if sockets[0].getsockname()[0] == "::":
            port = sockets[0].getsockname()[1]
            sockets.append(socket.create_server(("0.0.0.0", port), backlog=BACKLOG))  # noqa: S104 # as :: says
        return sockets
    except OSError as error:
        raise SettingsInvalid(
            f"The service should listen on {host}, port {port} ({fields.host.upper()}, {fields.port.upper()}); "
            f"{error.strerror or error}. End what listens there, or choose another."
        ) from error


async def _exit_on(stop: asyncio.Event, server: uvicorn.Server) -> None:
    await stop.wait()
    server.should_exit = True


def _page(listening: socket.socket, path: str) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"
