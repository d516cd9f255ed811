"""Settings from the environment (and .env, which `make` reads) and from files of secrets; one error names all problems."""

import os
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from service_kit.errors import SettingsInvalid
from service_kit.field_errors import sentence

SECRETS_DIR = "/run/secrets"  # where Docker and Kubernetes put them
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Port = Annotated[int, Field(ge=0, le=65_535)]


class ServiceSettings(BaseSettings):
    """Each field is an environment variable of its name in capitals, or a file of its name; empty counts as not set."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    keep_alive_seconds: Annotated[int, Field(ge=1, le=86_400)] = 75  # longer than proxies keep theirs (60): they close first
    shutdown_seconds: Seconds = 20.0
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    access_log: bool = True
    forwarded_allow_ips: str = ""  # the proxies that may say where a request comes from

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Leaves out files that are empty; of variables, pydantic-settings does so itself."""
        return {name: value for name, value in values.items() if value != ""}


SettingsType = TypeVar("SettingsType", bound=ServiceSettings)


def read_settings(settings: type[SettingsType], **changes: Any) -> SettingsType:
    """The settings of this process; raises SettingsInvalid, which names every invalid variable and shows no secret.

    What the environment leaves out may be a file in SECRETS_DIR, named after the field; line breaks at its end do not count.
    """
    folder = Path(os.environ.get("SECRETS_DIR") or SECRETS_DIR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # of a secret that is there, and is no file or leads elsewhere
            return settings(_secrets_dir=folder if folder.is_dir() else None, **changes)
    except ValidationError as error:
        raise SettingsInvalid(f"The environment holds settings that the service cannot use. {sentence(error)}.") from error
    except (OSError, SettingsError) as error:
        reason = str(error.__cause__ or error).rstrip(".")
        raise SettingsInvalid(f"SECRETS_DIR={folder} should hold each secret as a file of text; {reason}.") from error
