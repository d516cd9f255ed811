"""Settings of the services from the environment, with defaults that reach the containers of this machine."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.support.errors import OntimeError

SECRET_FILES = {"DATA_API_KEY": "service_key", "FIRST_ADMIN_PASSWORD": "first_admin_password"}


class SecretMissing(OntimeError):
    """The folder that SECRETS names lacks a file."""


def setting(name: str, default: str, environment: Mapping[str, str]) -> str:
    """The value of a setting: as it was set; else a URL by its ..._PORT, a secret from the folder SECRETS; else the default.

    Raises SecretMissing.
    """
    if value := environment.get(name):
        return value
    if name.endswith("_URL") and (port := environment.get(f"{name.removesuffix('_URL')}_PORT")):
        return f"http://127.0.0.1:{port}"
    if name in SECRET_FILES and (folder := environment.get("SECRETS")):
        return secret(Path(folder), SECRET_FILES[name])
    return default


def secret(folder: Path, name: str) -> str:
    """The first line of a file of secrets. Raises SecretMissing where there is none, or where it is empty."""
    path = folder / name
    if path.is_file() and (line := path.read_bytes().decode().partition("\n")[0]):
        return line
    raise SecretMissing(f"SECRETS={folder} should hold {name}; there is none. Type `make secrets` first.")
