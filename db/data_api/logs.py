"""Logs: one JSON object a line, on standard error."""

import logging
import sys
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

LOGGER = "data_api"
RENAMED = {"levelname": "level", "exc_info": "traceback"}
LEVELS = {"alembic": logging.WARNING}  # it says with each look at the database which kind that is


class JsonLines(JsonFormatter):
    """Formats a record as one line of JSON, as the prediction service does."""

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """The line, its time first and its level in small letters."""
        return {"time": log_data["time"], **log_data, "level": log_data["level"].lower()}


def configure(level: str) -> None:
    """Sends the records of this service, its migrations and the web server to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    reserved = [*RESERVED_ATTRS, "color_message"]
    fields = "{levelname}{message}"
    handler.setFormatter(
        JsonLines(
            fields, style="{", rename_fields=RENAMED, reserved_attrs=reserved, timestamp="time", json_ensure_ascii=False
        )
    )
    for name in (LOGGER, "uvicorn", "alembic"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(LEVELS.get(name, level))
