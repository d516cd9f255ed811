"""Logs: one JSON object a line, on standard error, with the id of the request where there is one."""

import asyncio
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter
from starlette.types import Scope

ACCESS_LOG_SECONDS = 0.05
QUIET = (
    "alembic",
    "httpx",
)  # the first logs its dialect at each check, the second whole addresses; a heartbeat's is a secret


class JsonLines(JsonFormatter):
    """Formats a record as one line of JSON: its time, level and message, what came as ``extra``, and the traceback."""

    def __init__(self) -> None:
        super().__init__(
            "{levelname}{message}",
            style="{",
            rename_fields={"levelname": "level", "exc_info": "traceback"},
            reserved_attrs=[*RESERVED_ATTRS, "color_message"],
            timestamp="time",
            json_ensure_ascii=False,
        )

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """The fields of a line, its time first and its level in small letters."""
        return {"time": log_data["time"], **log_data, "level": log_data["level"].lower()}


class AccessLog:
    """One line a request. Lines are written together, some milliseconds later: a write costs more than a line."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []

    def write(self, scope: Scope, status: int, seconds: float) -> None:
        """Notes a request that was answered."""
        if not self._lines:
            asyncio.get_running_loop().call_later(ACCESS_LOG_SECONDS, self.flush)
        client, state = scope["client"], scope["state"]
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": "info",
            "message": "request",
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "milliseconds": round(seconds * 1000, 2),
            "request_id": state["request_id"],
            "client": client[0] if client else None,
            "caller": state.get("caller"),
        }
        self._lines.append(to_json(line, inf_nan_mode="null"))

    def flush(self) -> None:
        """Writes what was noted."""
        lines, self._lines = self._lines, []
        if lines:
            sys.stderr.buffer.write(b"\n".join([*lines, b""]))
            sys.stderr.buffer.flush()


def configure(level: str, name: str) -> None:
    """Sends the records of a service, of the kit, of its libraries and of the web server to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for logger in map(logging.getLogger, (name, "service_kit", "uvicorn", *QUIET)):
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.WARNING if logger.name in QUIET else level)
