"""Tells a push monitor, such as one of Uptime Kuma, that work succeeded; where it hears nothing, it raises the alarm."""

import logging
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import urlsplit

from data_api.logs import LOGGER

TIMEOUT_SECONDS = 3.0
logger = logging.getLogger(LOGGER)


class Heartbeat:
    """Asks for an address, whose token is in no log."""

    def __init__(self, url: str) -> None:
        self._url, self._failing = url, False

    def send(self) -> None:
        """Sends one; a failure is logged once until one arrives again, by its kind: its text may hold the address."""
        try:
            status = self._asked()
            reason = None if status < 300 else f"it answers {status}"
        except Exception as error:
            reason = type(error).__name__
        if reason and not self._failing:
            logger.warning("the push monitor of DATA_API_HEARTBEAT_URL takes no heartbeat", extra={"reason": reason})
        self._failing = reason is not None

    def _asked(self) -> int:
        address = urlsplit(self._url)
        kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
        connection = kind(address.hostname or "", address.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("GET", f"{address.path}?{address.query}")
            return connection.getresponse().status
        finally:
            connection.close()
