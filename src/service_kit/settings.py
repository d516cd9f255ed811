"""Settings from the environment (and .env, which `make` reads) and from files of secrets; one error names all problems."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from service_kit.errors import SettingsInvalid
from service_kit.field_errors import sentence
from service_kit.setting_types import Proxies, RootPath, Seconds

SECRETS_DIR = "/run/secrets"  # where Docker and Kubernetes put them


class ServiceSettings(BaseSettings):
    """Each field is an environment variable of its name in capitals, or a file of its name; empty counts as not set."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    keep_alive_seconds: Annotated[int, Field(ge=1, le=86_400)] = 75  # longer than proxies keep theirs (60): they close first
    shutdown_seconds: Seconds = 20.0
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    access_log: bool = True
    forwarded_allow_ips: Proxies = ""  # the proxies that may say where a request comes from
    root_path: RootPath = ""  # under which a proxy shows the service

    @model_validator(mode="before")
    @classmethod
    def _with_files(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Adds the files in SECRETS_DIR, without one line break at their end: PostgreSQL's image reads them so too."""
        for name in cls.model_fields:
            if name not in values and (path := secrets_dir() / name).exists():
                content = path.read_bytes().decode(errors="surrogateescape")
                values[name] = content.removesuffix("\n").removesuffix("\r")
        return {name: value for name, value in values.items() if value != ""}


SettingsType = TypeVar("SettingsType", bound=ServiceSettings)


def secrets_dir() -> Path:
    """The folder in which a setting that the environment leaves out may be a file, named after its field."""
    return Path(os.environ.get("SECRETS_DIR") or SECRETS_DIR)


def read_settings(settings: type[SettingsType], **changes: Any) -> SettingsType:
    """The settings of this process; raises SettingsInvalid, which names every invalid variable and shows no secret."""
    try:
        return settings(**changes)
    except ValidationError as error:
        raise SettingsInvalid(f"The environment holds settings that the service cannot use. {sentence(error)}.") from error
    except (OSError, SettingsError) as error:
        reason = str(error.__cause__ or error).rstrip(".")
        raise SettingsInvalid(f"SECRETS_DIR={secrets_dir()} should hold each secret as a file of text; {reason}.") from error
