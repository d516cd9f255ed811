"""Heartbeats: GET requests to a push monitor, such as one of Uptime Kuma, which raises the alarm once they stay away."""

import asyncio
import logging

import httpx

TIMEOUT_SECONDS = 3.0
logger = logging.getLogger(__name__)


class Heartbeat:
    """Calls an address whose token is in no log; ``setting`` is the variable that holds the address."""

    def __init__(self, url: str, setting: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._url, self._setting, self._timeout_seconds = url, setting, timeout_seconds
        self._client = httpx.AsyncClient(timeout=timeout_seconds, trust_env=False)
        self._failing = False

    async def send(self) -> None:
        """Sends one. The first failure in a row is logged, by its kind alone: its text may hold the address."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                status = (await self._client.get(self._url)).status_code
            reason = None if status < 300 else f"it answers {status}"
        except Exception as error:
            reason = type(error).__name__
        if reason and not self._failing:
            logger.warning("the push monitor of %s takes no heartbeat", self._setting, extra={"reason": reason})
        self._failing = reason is not None

    async def close(self) -> None:
        """Closes its connections."""
        await self._client.aclose()
