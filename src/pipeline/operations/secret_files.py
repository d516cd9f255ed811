"""The files of secrets that docker-compose.yml gives to the containers: which there are, and which are too weak."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.clients.environment import secret
from pipeline.support.errors import OntimeError

DEVELOPMENT, OWN = Path(".secrets/development"), Path(".secrets/own")
CORE_PASSWORDS = ("database_password", "first_admin_password")
PASSWORDS = (*CORE_PASSWORDS, "kuma_admin_password", "grafana_admin_password")
KEYS = ("jwt_secret", "service_key", "board_session_secret")
HEARTBEATS = ("outbox", "live_scores", "pipeline", "board")  # each has a token, and a URL that ends in it
HEARTBEAT_FILES = tuple(f"{name}_heartbeat_{part}" for name in HEARTBEATS for part in ("token", "url"))
FILES = (*PASSWORDS, *KEYS, *HEARTBEAT_FILES)
MIN_CHARACTERS = 12


class SecretWeak(OntimeError):
    """A secret is that of development, or too short."""


def check_production(environment: Mapping[str, str], core: bool) -> None:
    """Raises SecretWeak where ENVIRONMENT is production and a secret of the containers is not fit for it."""
    if environment.get("ENVIRONMENT") != "production":
        return
    folder = Path(environment.get("SECRETS") or DEVELOPMENT)
    for public in sorted(DEVELOPMENT.glob("*")):
        own = folder / public.name
        if own.is_file() and own.read_bytes() == public.read_bytes():
            raise SecretWeak(
                f"Production needs secrets of its own; {own.name} is that of development. Type `make secrets` first."
            )
    check_length(folder, CORE_PASSWORDS if core else PASSWORDS)


def check_length(folder: Path, names: Iterable[str]) -> None:
    """Raises SecretWeak for a password that the services would refuse, SecretMissing where there is none."""
    for name in names:
        if len(secret(folder, name)) < MIN_CHARACTERS:
            raise SecretWeak(
                f"A password should have {MIN_CHARACTERS} characters or more; {name} in {folder} has fewer. "
                "Remove that file, and type `make secrets`."
            )
