"""Logs: one JSON object a line, on standard error, with the request's id where there is one."""

import asyncio
import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json
from starlette.types import Scope

LOGGER = "prediction_api"
ACCESS_LOG_SECONDS = 0.05
# What a log record holds by itself; anything else came with `extra` and is shown.
OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in OWN}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False, separators=(",", ":"))


class AccessLog:
    """One line a request. Lines are written together, some milliseconds later: a write costs more than a line."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []

    def write(self, scope: Scope, status: int, seconds: float) -> None:
        """Notes one request that was answered."""
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


def configure(level: str) -> None:
    """Sends this service's records and those of the web server to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in (LOGGER, "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it names whole addresses, and that of the heartbeats is a secret
