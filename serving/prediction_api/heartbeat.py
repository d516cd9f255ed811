"""When a push monitor gets heartbeats: while predictions can be kept, and none waits or some are being delivered."""

import asyncio

from prediction_api.outbox.outbox import Outbox
from prediction_api.outbox.outbox_relay import OutboxRelay
from service_kit.heartbeat import Heartbeat

HEARTBEAT_SECONDS = 30.0


class OutboxHeartbeat:
    """Sends heartbeats at regular times, as long as the outbox works."""

    def __init__(
        self, heartbeat: Heartbeat, outbox: Outbox, delivery: OutboxRelay | None, seconds: float = HEARTBEAT_SECONDS
    ) -> None:
        self._heartbeat, self._outbox, self._delivery, self._seconds = heartbeat, outbox, delivery, seconds
        self._arrived = 0

    async def run(self) -> None:
        """Sends for ever."""
        try:
            while True:
                if self._works():
                    await self._heartbeat.send()
                await asyncio.sleep(self._seconds)
        finally:
            await self._heartbeat.close()

    def _works(self) -> bool:
        """Whether predictions can be kept, and none waits or something arrived since the last look and goes on arriving."""
        arrived = self._delivery.arrived if self._delivery else 0
        moves, self._arrived = arrived > self._arrived, arrived
        failing = self._delivery is not None and self._delivery.failure is not None
        return self._outbox.failure is None and (not self._outbox.depth or (moves and not failing))
