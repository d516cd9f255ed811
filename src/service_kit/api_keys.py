"""API keys: random text that a caller shows in a header. A service keeps the digest alone.

A plain SHA-256 is enough because keys are random (256 bits); a chosen password would need a slow hash.
"""

import hashlib
import secrets

HEADER = "X-API-Key"
PREFIX = "ontime_"


def new() -> str:
    """A fresh random key."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(key: str) -> str:
    """The SHA-256 of a key in hexadecimal."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
