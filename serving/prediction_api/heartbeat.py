"""When a push monitor gets heartbeats: while predictions can be kept, and none waits or some are being delivered."""

import asyncio

from prediction_api.outbox.outbox import Outbox
from prediction_api.outbox.outbox_relay import OutboxRelay
from service_kit.heartbeat import Heartbeat

HEARTBEAT_SECONDS = 30.0


async def send_heartbeats(
    heartbeat: Heartbeat, outbox: Outbox, relay: OutboxRelay | None, seconds: float = HEARTBEAT_SECONDS
) -> None:
    """Sends heartbeats for ever, at this interval, as long as the outbox works and what waits arrives."""
    arrived = 0
    try:
        while True:
            arrived_before, arrived = arrived, relay.arrived if relay else 0
            is_delivering = relay is not None and relay.failure is None and arrived > arrived_before
            if outbox.failure is None and (not outbox.depth or is_delivering):
                await heartbeat.send()
            await asyncio.sleep(seconds)
    finally:
        await heartbeat.close()
