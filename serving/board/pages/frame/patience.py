"""How long a page waits for another service before it says that there is no answer."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from board.errors import ServiceUnavailable

PATIENCE_SECONDS = 3.0
Answer = TypeVar("Answer")


async def within_patience(answer: Awaitable[Answer]) -> Answer:
    """The answer; raises ServiceUnavailable where it takes longer than a reader waits."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await answer
    except TimeoutError as error:
        raise ServiceUnavailable(f"there was no answer within {PATIENCE_SECONDS:.0f} seconds") from error
