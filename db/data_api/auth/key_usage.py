"""The times at which API keys were last used."""

import threading
from datetime import datetime


class KeyUsage:
    """Collects in memory when each key was last used, so that requests that read need not write."""

    def __init__(self) -> None:
        self._uses: dict[int, datetime] = {}
        self._lock = threading.Lock()

    def note(self, api_key_id: int, now: datetime) -> None:
        """Notes that a key was used."""
        with self._lock:
            self._uses[api_key_id] = now

    def take(self) -> dict[int, datetime]:
        """The uses since the last call, which are forgotten here."""
        with self._lock:
            uses, self._uses = self._uses, {}
        return uses

    def put_back(self, uses: dict[int, datetime]) -> None:
        """Takes back uses that could not be written; later ones win."""
        with self._lock:
            self._uses = uses | self._uses
