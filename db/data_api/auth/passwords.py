"""Hashes of passwords with Argon2id (RFC 9106), a few at a time, because each takes 64 MiB while it is computed."""

import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from service_kit.problems import ProblemError

MAX_AT_ONCE, WAIT_SECONDS = 2, 10.0
MOST_NORMALIZED = 1000  # characters; the time that it takes grows with their square, and anyone may send a password


class Passwords:
    """Hashes and verifies passwords; the time that it takes does not reveal whether a user exists."""

    def __init__(self) -> None:
        self._hasher, self._slots = PasswordHasher(), threading.BoundedSemaphore(MAX_AT_ONCE)
        self._decoy_hash = self._hasher.hash("nobody has this password")

    def hash(self, password: str) -> str:
        """The hash to store, with its salt and parameters."""
        with self._slot():
            return self._hasher.hash(_normalized(password))

    def verify(self, stored: str | None, password: str) -> bool:
        """Whether a password has the stored hash; without one (None), no password has.

        A password as it was typed counts too: hashes from before passwords were normalized are of that.
        """
        with self._slot():
            matches = [
                self._has(stored, form) for form in {_normalized(password), password}
            ]  # all, so that none shows by time
            return any(matches)

    def _has(self, stored: str | None, password: str) -> bool:
        try:
            return self._hasher.verify(stored or self._decoy_hash, password) and stored is not None
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash was made with parameters other than those of today."""
        return self._hasher.check_needs_rehash(stored)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=WAIT_SECONDS):
            raise ProblemError(503, "Too many people log in at once. Try again in a moment.")
        try:
            yield
        finally:
            self._slots.release()


def _normalized(password: str) -> str:
    """The form of Unicode in which passwords are hashed (NIST SP 800-63B): keyboards write one letter in several ways."""
    return unicodedata.normalize("NFKC", password) if len(password) <= MOST_NORMALIZED else password
