"""Passwords: hashed with Argon2id (RFC 9106), a few at a time, because each takes 64 MiB for a moment."""

import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from service_kit.problems import ProblemError

AT_ONCE, PATIENCE_SECONDS = 2, 10.0


class Passwords:
    """Hashes and verifies. Whether a user exists cannot be told from the time that it takes."""

    def __init__(self) -> None:
        self._hasher, self._turn = PasswordHasher(), threading.BoundedSemaphore(AT_ONCE)
        self._nobodys = self._hasher.hash("nobody has this password")

    def hash(self, password: str) -> str:
        """The hash to keep, with its salt and parameters."""
        with self._turns():
            return self._hasher.hash(password)

    def verify(self, kept: str | None, password: str) -> bool:
        """Whether a password is the one whose hash is kept; None is nobody's."""
        with self._turns():
            try:
                return self._hasher.verify(kept or self._nobodys, password) and kept is not None
            except (VerificationError, InvalidHashError):
                return False

    def outdated(self, kept: str) -> bool:
        """Whether a hash was made with weaker parameters than those of today."""
        return self._hasher.check_needs_rehash(kept)

    def _turns(self) -> "_Turn":
        return _Turn(self._turn)


class _Turn:
    def __init__(self, turn: threading.BoundedSemaphore) -> None:
        self._turn = turn

    def __enter__(self) -> None:
        if not self._turn.acquire(timeout=PATIENCE_SECONDS):
            raise ProblemError(503, "Too many people log in at once. Try again in a moment.")

    def __exit__(self, *_: object) -> None:
        self._turn.release()
