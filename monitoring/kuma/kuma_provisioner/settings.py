"""The settings of a run, from the environment (and .env, which `make` reads)."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, HttpUrl, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from kuma_provisioner.errors import SettingsInvalid


class Settings(BaseSettings):
    """Each field is an environment variable of the same name in capitals; empty counts as not set."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True, extra="forbid")

    environment: Literal["development", "production"] = "development"
    kuma_url: HttpUrl = HttpUrl("http://127.0.0.1:3001")
    kuma_admin: Annotated[str, Field(pattern=r"^\S{1,255}$")] = "admin"
    kuma_prune: bool = False
    kuma_config: Path = Path("monitoring/kuma/kuma_config.yml")
    kuma_agent: Path = Path("monitoring/kuma/kuma_agent.yml")
    kuma_wait_seconds: Annotated[float, Field(ge=0, le=86_400)] = 120.0

    @property
    def url(self) -> str:
        """The address of Uptime Kuma without a slash at its end."""
        return str(self.kuma_url).rstrip("/")


def read(**overrides: Any) -> Settings:
    """The settings of this process; raises SettingsInvalid, which names every invalid variable."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        problems = [f"{str(item['loc'][0]).upper()}: {item['msg'][:1].lower() + item['msg'][1:]}" for item in error.errors()]
        raise SettingsInvalid(f"The environment holds settings that cannot be used. {'; '.join(problems)}.") from error
