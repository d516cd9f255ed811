"""Settings from the environment (and .env, which `make` reads) and from files of secrets; one error names all problems."""

import os
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from service_kit.errors import SettingsInvalid
from service_kit.field_errors import sentence
from service_kit.setting_types import Proxies, Seconds

SECRETS_DIR = "/run/secrets"  # where Docker and Kubernetes put them


class SecretFiles(SecretsSettingsSource):
    """Files of secrets, which lose one line break at their end and nothing else: others read the same files so too."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The content of a file, the name of the field, and whether it is to be parsed."""
        content, *rest = super().get_field_value(field, field_name)
        if content is not None and (path := self.find_case_path(self.secrets_paths[0], field_name, case_sensitive=False)):
            content = path.read_bytes().decode().removesuffix("\n").removesuffix("\r")
        return content, *rest


class ServiceSettings(BaseSettings):
    """Each field is an environment variable of its name in capitals, or a file of its name; empty counts as not set."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    keep_alive_seconds: Annotated[int, Field(ge=1, le=86_400)] = 75  # longer than proxies keep theirs (60): they close first
    shutdown_seconds: Seconds = 20.0
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    access_log: bool = True
    forwarded_allow_ips: Proxies = ""  # the proxies that may say where a request comes from
    root_path: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._~-]+)*$")] = ""  # under which a proxy shows the service

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 # `make` reads .env, the services do not
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Where settings come from: the environment, then files."""
        return init_settings, env_settings, SecretFiles(settings_cls, file_secret_settings.secrets_dir)  # type: ignore[attr-defined]

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Leaves out files that are empty; of variables, pydantic-settings does so itself."""
        return {name: value for name, value in values.items() if value != ""}


SettingsType = TypeVar("SettingsType", bound=ServiceSettings)


def read_settings(settings: type[SettingsType], **changes: Any) -> SettingsType:
    """The settings of this process; raises SettingsInvalid, which names every invalid variable and shows no secret.

    What the environment leaves out may be a file in SECRETS_DIR, named after the field, without one line break at its end.
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
