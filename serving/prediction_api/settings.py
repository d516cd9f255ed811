"""The settings of the service, from the environment (and .env, which `make` reads) and from files of secrets."""

import os
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, HttpUrl, Secret, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from prediction_api.errors import SettingsInvalid

Seconds = Annotated[float, Field(gt=0, le=86_400)]
SECRETS_DIR = "/run/secrets"  # where Docker and Kubernetes put them


class Settings(BaseSettings):
    """Each field is an environment variable of its name in capitals, or a file of its name; empty counts as not set."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    prediction_api_host: str = "127.0.0.1"
    prediction_api_port: Annotated[int, Field(ge=0, le=65_535)] = 8000
    model_uri: str = "data/model"
    model_fallback: str | None = None
    model_poll_seconds: Annotated[float, Field(ge=0, le=86_400)] = 60.0
    model_fetch_seconds: Seconds = 300.0
    git_commit: str | None = None
    outbox_dir: Path = Path("serving/outbox")
    outbox_shared: bool = False
    outbox_sync: Literal["process", "full"] = "process"
    outbox_max_bytes: Annotated[int, Field(ge=1_000_000)] = 2**30
    data_api_url: HttpUrl | None = None
    data_api_key: SecretStr | None = None
    api_keys: str = ""
    admin_keys: str = ""
    heartbeat_url: Secret[HttpUrl] | None = None
    max_records: Annotated[int, Field(ge=1, le=100_000)] = 1000
    max_body_bytes: Annotated[int, Field(ge=1_000)] = 8 * 2**20
    max_concurrency: Annotated[int, Field(ge=1)] = 256
    request_seconds: Seconds = 10.0
    keep_alive_seconds: Annotated[int, Field(ge=1, le=86_400)] = 75  # longer than proxies keep theirs (60): they close first
    shutdown_seconds: Seconds = 20.0
    cors_origins: str = ""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    access_log: bool = True

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, found: dict[str, Any]) -> dict[str, Any]:
        """Leaves out files that are empty; of variables, pydantic-settings does so itself."""
        return {name: value for name, value in found.items() if value != ""}


def read(**given: Any) -> Settings:
    """The settings of this process; raises SettingsInvalid, which names every faulty variable and shows no secret.

    What the environment leaves out may be a file in SECRETS_DIR, named after the field; line breaks at its end do not count.
    """
    folder = Path(os.environ.get("SECRETS_DIR") or SECRETS_DIR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # of a secret that is there, and is no file or leads elsewhere
            return Settings(_secrets_dir=folder if folder.is_dir() else None, **given)
    except ValidationError as error:
        faults = [f"{str(one['loc'][0]).upper()}: {_lower(one['msg'])}" for one in error.errors()]
        raise SettingsInvalid(f"The environment holds settings that the service cannot use. {'; '.join(faults)}.") from error
    except (OSError, SettingsError) as error:
        said = str(error.__cause__ or error).rstrip(".")
        raise SettingsInvalid(f"SECRETS_DIR={folder} should hold each secret as a file of text; {said}.") from error


def _lower(text: str) -> str:
    """A message as the rest of a sentence; what begins with an abbreviation stays."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]
