"""Secrets from the environment: NAME, or the file that NAME_FILE names, or development's own."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from kuma_provisioner.errors import SettingsInvalid

PASSWORD = "KUMA_ADMIN_PASSWORD"  # noqa: S105 the name of a variable
SHORTEST_PASSWORD = 12
TOKEN = re.compile(
    r"[A-Za-z0-9_-]{16,32}"
)  # 32 is the width of Uptime Kuma's column, and the rest needs no quoting in a URL
# For a machine of one's own: everybody can read them here, so that outside development they are refused.
DEVELOPMENT = {
    PASSWORD: "ontime-development-1",
    "OUTBOX_HEARTBEAT_TOKEN": "ontime-development-outbox",
    "LIVE_SCORES_HEARTBEAT_TOKEN": "ontime-development-live-scores",
    "PIPELINE_HEARTBEAT_TOKEN": "ontime-development-pipeline",
}


def read(tokens: Iterable[str], environ: Mapping[str, str], environment: str) -> dict[str, str]:
    """The admin's password and the named tokens by variable; raises SettingsInvalid, which names each faulty one."""
    found, faults = {}, []
    for name in (PASSWORD, *dict.fromkeys(tokens)):
        try:
            found[name] = _checked(name, _given(name, environ), environment)
        except SettingsInvalid as error:
            faults.append(str(error))
    names = [name for name in found if name != PASSWORD]
    if len({found[name] for name in names}) < len(names):
        faults.append("two heartbeats have the same token, and each should have its own")
    if faults:
        raise SettingsInvalid(
            f"The environment holds secrets that cannot be used. {'; '.join(faults)}. "
            '`python -c "import secrets; print(secrets.token_urlsafe(24))"` makes one.'
        )
    return found


def defaults_in_use(secrets: Mapping[str, str]) -> list[str]:
    """The variables whose secret is development's own."""
    return [name for name, secret in secrets.items() if DEVELOPMENT.get(name) == secret]


def _given(name: str, environ: Mapping[str, str]) -> str:
    """What the variable says, or else its file; empty where neither does."""
    path = environ.get(f"{name}_FILE")
    if environ.get(name) or not path:
        return environ.get(name, "")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{name}_FILE names {path}, which cannot be read") from error


def _checked(name: str, secret: str, environment: str) -> str:
    """A secret that can be used; raises SettingsInvalid, which does not show it."""
    development = DEVELOPMENT.get(name)
    if not secret and environment == "development" and development:
        return development
    if not secret:
        raise SettingsInvalid(f"{name} is not set, nor {name}_FILE")
    if environment != "development" and secret == development:
        raise SettingsInvalid(f"{name} is the default of development, and ENVIRONMENT={environment} wants its own")
    if name == PASSWORD and environment != "development" and len(secret) < SHORTEST_PASSWORD:
        raise SettingsInvalid(f"{name} has {len(secret)} characters, and should have {SHORTEST_PASSWORD} or more")
    if name != PASSWORD and not TOKEN.fullmatch(secret):
        raise SettingsInvalid(f"{name} should have 16 to 32 letters, digits, - or _; it has {len(secret)} characters")
    return secret
