"""The web server: listens, serves an application until it is told to stop, and lets it finish what it accepted."""

import asyncio
import logging
import socket
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.loops.auto import auto_loop_factory

from service_kit.errors import SettingsInvalid
from service_kit.timeouts import TimeoutProtocol, refuse_slow

BACKLOG = 2048
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServerOptions:
    """Where and how to serve; ``*_setting`` are the variables that hold a value, for what people read."""

    host: str
    host_setting: str
    port: int
    port_setting: str
    request_seconds: float
    request_seconds_setting: str
    keep_alive_seconds: int
    shutdown_seconds: float
    forwarded_allow_ips: str = ""  # the proxies that may say where a request comes from


def run(serving: Coroutine[Any, Any, None]) -> None:
    """Runs a service to its end, on uvloop where there is one."""
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(serving)


def listen(options: ServerOptions) -> socket.socket:
    """The socket on which a service answers; raises SettingsInvalid where it cannot have it."""
    host, port = options.host, options.port
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingsInvalid(
            f"The service should listen on {host}, port {port} ({options.host_setting}, {options.port_setting}); "
            f"{error.strerror or error}. End what listens there, or choose another."
        ) from error


async def serve(
    app: FastAPI, listening: socket.socket, options: ServerOptions, stop: asyncio.Event, details: Mapping[str, Any]
) -> None:
    """Serves until SIGTERM, SIGINT or ``stop``, then finishes what it accepted; logs ``details`` at the start."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        http=TimeoutProtocol,
        ws="none",
        proxy_headers=bool(options.forwarded_allow_ips),
        forwarded_allow_ips=options.forwarded_allow_ips,
        timeout_keep_alive=options.keep_alive_seconds,
        timeout_graceful_shutdown=int(options.shutdown_seconds) or 1,
    )
    server = uvicorn.Server(config)
    logger.info("listening", extra={"page": _page(listening), **details})
    connections = server.server_state.connections
    beside = (
        asyncio.create_task(refuse_slow(connections, options.request_seconds, options.request_seconds_setting)),
        asyncio.create_task(_exit_on(stop, server)),
    )
    try:
        await server.serve(sockets=[listening])
    finally:
        for task in beside:
            task.cancel()


async def _exit_on(stop: asyncio.Event, server: uvicorn.Server) -> None:
    await stop.wait()
    server.should_exit = True


def _page(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/docs"
