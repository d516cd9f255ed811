"""When a push monitor gets heartbeats: while the board follows the log and no official prediction is behind."""

import asyncio

from board.tracking.follower import Follower
from service_kit.heartbeat import Heartbeat

HEARTBEAT_SECONDS = 30.0


async def send_heartbeats(heartbeat: Heartbeat, follower: Follower, seconds: float = HEARTBEAT_SECONDS) -> None:
    """Sends heartbeats for ever, at this interval, as long as nothing is due, or there is nothing to follow."""
    try:
        while True:
            if follower.works:
                await heartbeat.send()
            await asyncio.sleep(seconds)
    finally:
        await heartbeat.close()
