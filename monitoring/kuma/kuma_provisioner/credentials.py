"""The admin's password and the tokens of heartbeats: from NAME, from the file in NAME_FILE, or a development default."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from kuma_provisioner.errors import SettingsInvalid

PASSWORD = "KUMA_ADMIN_PASSWORD"  # noqa: S105 the name of a variable
SHORTEST_PASSWORD = 12
TOKEN = re.compile(r"[A-Za-z0-9_-]{16,32}")  # Uptime Kuma's column is 32 wide; a URL holds these characters unquoted
# Everybody can read these here; outside development they are refused.
DEVELOPMENT = {
    PASSWORD: "ontime-development-1",
    "OUTBOX_HEARTBEAT_TOKEN": "ontime-development-outbox",
    "LIVE_SCORES_HEARTBEAT_TOKEN": "ontime-development-live-scores",
    "PIPELINE_HEARTBEAT_TOKEN": "ontime-development-pipeline",
    "BOARD_HEARTBEAT_TOKEN": "ontime-development-board",
}


def read(token_names: Iterable[str], environ: Mapping[str, str], environment: str) -> dict[str, str]:
    """The admin's password and the named tokens by variable; raises SettingsInvalid, which names every invalid one."""
    secrets: dict[str, str] = {}
    problems = []
    for name in (PASSWORD, *dict.fromkeys(token_names)):
        try:
            secrets[name] = _read_one(name, environ) or (DEVELOPMENT.get(name, "") if environment == "development" else "")
        except (OSError, UnicodeDecodeError):
            problems.append(f"{name}_FILE names {environ[f'{name}_FILE']}, which cannot be read")
        else:
            problems += filter(None, [_problem(name, secrets[name], environment)])
    tokens = [secret for name, secret in secrets.items() if secret and name != PASSWORD]
    if len(set(tokens)) < len(tokens):
        problems.append("two heartbeats have the same token, and each should have its own")
    if problems:
        raise SettingsInvalid(
            f"The environment holds secrets that cannot be used. {'; '.join(problems)}. "
            '`python -c "import secrets; print(secrets.token_urlsafe(24))"` makes one.'
        )
    return secrets


def defaults_in_use(secrets: Mapping[str, str]) -> list[str]:
    """The variables whose secret is the default of development."""
    return [name for name, secret in secrets.items() if DEVELOPMENT.get(name) == secret]


def _read_one(name: str, environ: Mapping[str, str]) -> str:
    """The value of the variable, or else the text of its file; empty if neither is set."""
    path = environ.get(f"{name}_FILE")
    return environ.get(name) or (Path(path).read_text(encoding="utf-8").strip() if path else "")


def _problem(name: str, secret: str, environment: str) -> str | None:
    """Why a secret cannot be used, without showing it; None if it can."""
    if not secret:
        return f"{name} is not set, nor is {name}_FILE"
    if environment == "development" and name == PASSWORD:
        return None
    if environment != "development" and secret == DEVELOPMENT.get(name):
        return f"{name} is the default of development, and ENVIRONMENT={environment} needs another one"
    if name == PASSWORD and len(secret) < SHORTEST_PASSWORD:
        return f"{name} has {len(secret)} characters, and should have {SHORTEST_PASSWORD} or more"
    if name != PASSWORD and not TOKEN.fullmatch(secret):
        return f"{name} should have 16 to 32 letters, digits, - or _; it has {len(secret)} characters"
    return None
