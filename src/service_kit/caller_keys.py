"""Who calls a service that has no database: API keys, of which the settings hold names and SHA-256 digests.

How long the search for a digest takes says nothing of a key: nobody can choose a key by its digest.
"""

import re

from service_kit import api_keys
from service_kit.errors import SettingsInvalid
from service_kit.problems import ProblemError

NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
ENTRY = re.compile(rf"(?P<name>{NAME.pattern}):(?P<digest>[0-9a-f]{{64}})")


class ApiKeys:
    """Names by digest, from text such as ``ci:<sha256>,web:<sha256>``."""

    def __init__(self, text: str, setting: str) -> None:
        """Raises SettingsInvalid, which shows no part of a key, where an entry is not ``name:sha256`` or text holds none."""
        self._names: dict[str, str] = {}
        for number, entry in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
            match = ENTRY.fullmatch(entry)
            if not match:
                raise SettingsInvalid(
                    f"{setting} should hold name:sha256 pairs, divided by commas; pair {number} is none. "
                    "`python -m prediction_api key NAME` makes a key and its pair."
                )
            self._names[match["digest"]] = match["name"]
        if text and not self._names:
            raise SettingsInvalid(
                f"{setting} should hold name:sha256 pairs, divided by commas; it is set and holds none. "
                "`python -m prediction_api key NAME` makes a key and its pair. To go without keys, leave it out."
            )

    def __bool__(self) -> bool:
        return bool(self._names)

    def caller(self, key: str | None) -> str | None:
        """The name that belongs to a key, or None."""
        return self._names.get(api_keys.digest(key)) if key else None


def require_key(keys: ApiKeys, key: str | None, wanted: str) -> str:
    """The name of the caller who shows a key; raises ProblemError (401) where it is none of the keys."""
    caller = keys.caller(key)
    if caller is None:
        detail = f"The header {api_keys.HEADER} should hold {wanted}."
        raise ProblemError(401, detail, headers={"www-authenticate": "ApiKey"})
    return caller
