"""How often someone may fail to log in: by address, by name, and by name and address, on a moving window.

Counted in the memory of this process: with several replicas the limits are as many times as large.
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
LOOSER = 10  # one address may try many names, and one name be tried from many addresses, this many times as often
Counted = tuple[RateLimitItemPerMinute, tuple[str, ...]]  # a limit, and what it is about


class LoginThrottle:
    """Lets someone guess, and counts the guesses that were wrong."""

    def __init__(self, attempts: int) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._narrow = RateLimitItemPerMinute(attempts, WINDOW_MINUTES, "narrow")
        self._wide = RateLimitItemPerMinute(attempts * LOOSER, WINDOW_MINUTES, "wide")
        self._running, self._lock = Counter[Counted](), threading.Lock()

    def guess(self, name: str | None, address: str, right: Callable[[], bool]) -> bool:
        """Whether a guess is right; raises ProblemError (429) where there were too many wrong ones.

        A guess that is being looked at counts as a wrong one until it is known to be right. Whoever knows the password
        begins again, from where they are. A name that nobody can have (None) is not kept.
        """
        counted = self._counted(name, address)
        self._begin(counted)
        try:
            found = right()
            if not found:
                for item, words in counted:
                    self._limiter.hit(item, *words)
            elif name is not None:
                self._limiter.clear(self._narrow, name, address)
            return found
        finally:
            with self._lock:
                self._running.subtract(counted)
                self._running += Counter()  # leaves out those that nobody looks at any more

    def _begin(self, counted: Sequence["Counted"]) -> None:
        with self._lock:
            for item, words in counted:
                if not self._limiter.test(item, *words, cost=self._running[item, words] + 1):
                    reset = self._limiter.get_window_stats(item, *words).reset_time
                    seconds = max(1, math.ceil(reset - time.time()))
                    detail = f"There were too many attempts to log in (LOGIN_ATTEMPTS). Try again in {seconds} seconds."
                    raise ProblemError(429, detail, headers={"retry-after": str(seconds)})
            self._running.update(counted)

    def _counted(self, name: str | None, address: str) -> list["Counted"]:
        by_address: Counted = self._wide, ("address", address)
        if name is None:
            return [by_address]
        return [by_address, (self._wide, ("name", name)), (self._narrow, (name, address))]
