"""Tells a push monitor, such as one of Uptime Kuma, that work succeeds; where it hears nothing, it raises the alarm."""

import asyncio
import logging

import httpx

from prediction_api.logs import LOGGER
from prediction_api.outbox.outbox import Outbox
from prediction_api.outbox.outbox_relay import OutboxRelay

HEARTBEAT_SECONDS = 30.0
TIMEOUT_SECONDS = 5.0
logger = logging.getLogger(LOGGER)


class Heartbeat:
    """Asks for an address at regular times, as long as predictions arrive or none waits. Its token is in no log."""

    def __init__(
        self, url: str, outbox: Outbox, delivery: OutboxRelay | None, heartbeat_seconds: float = HEARTBEAT_SECONDS
    ) -> None:
        self._url, self._outbox, self._delivery, self._heartbeat_seconds = url, outbox, delivery, heartbeat_seconds
        self._arrived, self._failing = 0, False

    async def run(self) -> None:
        """Sends for ever."""
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            while True:
                if self._works():
                    await self._send(client)
                await asyncio.sleep(self._heartbeat_seconds)

    def _works(self) -> bool:
        """Whether predictions can be kept, and none waits or something arrived since the last look and goes on arriving."""
        arrived = self._delivery.arrived if self._delivery else 0
        moves, self._arrived = arrived > self._arrived, arrived
        failing = self._delivery is not None and self._delivery.failure is not None
        return self._outbox.failure is None and (not self._outbox.depth or (moves and not failing))

    async def _send(self, client: httpx.AsyncClient) -> None:
        """Sends one; a failure is logged once until one arrives again, by its kind: its text may hold the address."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                status = (await client.get(self._url)).status_code
            reason = None if status < 300 else f"it answers {status}"
        except Exception as error:
            reason = type(error).__name__
        if reason and not self._failing:
            logger.warning("the push monitor of HEARTBEAT_URL does not take heartbeats", extra={"reason": reason})
        self._failing = reason is not None
