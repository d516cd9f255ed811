"""API keys: who calls. The settings hold names and SHA-256 digests; a key itself is shown once and kept nowhere.

A plain digest is enough because keys are random (256 bits); a chosen password would need a slow one.
"""

import hashlib
import hmac
import re
import secrets

from prediction_api.errors import SettingsInvalid
from prediction_api.problems import ProblemError

KEY_HEADER = b"x-api-key"
PREFIX = "ontime_"
NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
ENTRY = re.compile(rf"(?P<name>{NAME.pattern}):(?P<digest>[0-9a-f]{{64}})")


class ApiKeys:
    """Names by digest, from text such as ``ci:<sha256>,web:<sha256>``."""

    def __init__(self, text: str, setting: str) -> None:
        """Raises SettingsInvalid, which shows no part of a key, where an entry is not ``name:sha256``."""
        self._names: dict[str, str] = {}
        for number, entry in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
            match = ENTRY.fullmatch(entry)
            if not match:
                raise SettingsInvalid(
                    f"{setting} should hold name:sha256 pairs, divided by commas; pair {number} is none. "
                    "`python -m prediction_api key NAME` makes a key and its pair."
                )
            self._names[match["digest"]] = match["name"]

    def __bool__(self) -> bool:
        return bool(self._names)

    def caller(self, key: str | None) -> str | None:
        """The name that belongs to a key, or None."""
        if not key:
            return None
        found, given = None, digest(key)
        for known, name in self._names.items():
            if hmac.compare_digest(known, given):
                found = name
        return found


def known(keys: ApiKeys, header: bytes | None, wanted: str) -> str:
    """The name of the caller whose key a request's header holds; raises Refusal (401) where it holds none of them."""
    caller = keys.caller(header.decode("latin-1") if header else None)
    if caller is None:
        raise ProblemError(401, f"The header X-API-Key should hold {wanted}.", headers={"www-authenticate": "ApiKey"})
    return caller


def digest(key: str) -> str:
    """The SHA-256 of a key in hexadecimal."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def new() -> str:
    """A fresh random key."""
    return PREFIX + secrets.token_urlsafe(32)
