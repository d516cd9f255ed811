"""API keys: random, kept as SHA-256 digests. A plain digest is enough for 256 random bits; a password needs a slow hash."""

import hashlib
import secrets
import threading
from datetime import datetime

PREFIX = "ontime_"


def new() -> str:
    """A fresh random key."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(key: str) -> str:
    """The SHA-256 of a key in hexadecimal."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


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
