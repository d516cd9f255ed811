"""When API keys were used."""

import threading
from datetime import datetime


class KeyUsage:
    """When each key was last used, noted in memory and written together: a read stays a read."""

    def __init__(self) -> None:
        self._uses: dict[int, datetime] = {}
        self._lock = threading.Lock()

    def note(self, api_key_id: int, now: datetime) -> None:
        """A key was used."""
        with self._lock:
            self._uses[api_key_id] = now

    def take(self) -> dict[int, datetime]:
        """What was noted since the last time."""
        with self._lock:
            uses, self._uses = self._uses, {}
        return uses

    def put_back(self, uses: dict[int, datetime]) -> None:
        """What could not be written."""
        with self._lock:
            self._uses = uses | self._uses
