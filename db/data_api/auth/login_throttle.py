"""Limits failed logins by address, by name, and by both, in a moving window.

Each process counts for itself: with several replicas the limits are as many times as large.
"""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from service_kit.problems import ProblemError

WINDOW_MINUTES = 5
WIDE_FACTOR = 10  # how many times as many failures an address may have with all names, or a name from all addresses
Limit = tuple[RateLimitItemPerMinute, tuple[str, ...]]  # a limit, and what it counts by


class TooManyLogins(ProblemError):
    """A login that may not be tried yet (429)."""


class LoginThrottle:
    """Checks logins, and counts those that failed."""

    def __init__(self, attempts: int) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._narrow = RateLimitItemPerMinute(attempts, WINDOW_MINUTES, "narrow")
        self._wide = RateLimitItemPerMinute(attempts * WIDE_FACTOR, WINDOW_MINUTES, "wide")
        self._running, self._lock = Counter[Limit](), threading.Lock()

    def check(self, name: str | None, address: str, is_right: Callable[[], bool]) -> bool:
        """Whether a login is right; raises TooManyLogins after too many failures.

        A login counts as failed while it is being checked. A right one clears the count of this name at this address. None
        stands for a name that no user can have, and is counted by address only.
        """
        limits = self._limits(name, address)
        self._begin(limits)
        try:
            right = is_right()
            if not right:
                for item, words in limits:
                    self._limiter.hit(item, *words)
            elif name is not None:
                self._limiter.clear(self._narrow, name, address)
            return right
        finally:
            with self._lock:
                self._running.subtract(limits)
                self._running += Counter()  # drops the zeros

    def _begin(self, limits: Sequence[Limit]) -> None:
        with self._lock:
            for item, words in limits:
                if not self._limiter.test(item, *words, cost=self._running[item, words] + 1):
                    reset = self._limiter.get_window_stats(item, *words).reset_time
                    seconds = max(1, math.ceil(reset - time.time()))
                    detail = f"There were too many attempts to log in (LOGIN_ATTEMPTS). Try again in {seconds} seconds."
                    raise TooManyLogins(429, detail, headers={"retry-after": str(seconds)})
            self._running.update(limits)

    def _limits(self, name: str | None, address: str) -> list[Limit]:
        by_address: Limit = self._wide, ("address", address)
        if name is None:
            return [by_address]
        return [by_address, (self._wide, ("name", name)), (self._narrow, (name, address))]
