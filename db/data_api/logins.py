"""How often someone may try to log in: by name and address, by name, and by address, on a moving window.

Counted in the memory of this process: with several replicas the limits are as many times as large.
"""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from data_api.problems import Refusal

WINDOW_MINUTES = 5
LOOSER = 10  # one address may try many names, and one name be tried from many addresses, this many times as often


class Logins:
    """Counts attempts before a password is looked at, so that guessing costs the service nothing."""

    def __init__(self, attempts: int) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._narrow = RateLimitItemPerMinute(attempts, WINDOW_MINUTES, "narrow")
        self._wide = RateLimitItemPerMinute(attempts * LOOSER, WINDOW_MINUTES, "wide")

    def attempt(self, name: str, address: str) -> None:
        """Counts one attempt; raises Refusal (429) where there were too many."""
        for item, words in self._counted(name, address):
            if not self._limiter.hit(item, *words):
                reset = self._limiter.get_window_stats(item, *words).reset_time
                seconds = max(1, math.ceil(reset - time.time()))
                detail = f"There were too many attempts to log in (LOGIN_ATTEMPTS). Try again in {seconds} seconds."
                raise Refusal(429, detail, headers={"retry-after": str(seconds)})

    def succeeded(self, name: str, address: str) -> None:
        """Forgets the attempts of someone who knows the password, from where they are."""
        item, words = self._counted(name, address)[0]
        self._limiter.clear(item, *words)

    def _counted(self, name: str, address: str) -> list[tuple[RateLimitItemPerMinute, tuple[str, ...]]]:
        return [(self._narrow, (name, address)), (self._wide, ("name", name)), (self._wide, ("address", address))]
