"""The settings of the service."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, Secret

from service_kit.setting_types import BaseAddress, HeaderSecret, Origins, Port, Proxies, Seconds, WebAddress
from service_kit.settings import ServiceSettings, read_settings


class Settings(ServiceSettings):
    """Each field is an environment variable of its name in capitals, or a file of its name; empty counts as not set."""

    prediction_api_host: str = "127.0.0.1"
    prediction_api_port: Port = 8000
    model_uri: str = "data/model"
    model_fallback: str | None = None
    model_poll_seconds: Annotated[float, Field(ge=0, le=86_400)] = 60.0
    model_fetch_seconds: Seconds = 300.0
    git_commit: str | None = None
    outbox_dir: Path = Path("serving/outbox")
    outbox_shared: bool = False
    outbox_sync: Literal["process", "full"] = "process"
    outbox_max_bytes: Annotated[int, Field(ge=1_000_000)] = 2**30
    data_api_url: BaseAddress | None = None
    data_api_key: HeaderSecret | None = None
    api_keys: str = ""
    admin_keys: str = ""
    heartbeat_url: Secret[WebAddress] | None = None
    max_records: Annotated[int, Field(ge=1, le=100_000)] = 1000
    max_body_bytes: Annotated[int, Field(ge=1_000)] = 8 * 2**20
    max_concurrency: Annotated[int, Field(ge=1)] = 256
    request_seconds: Seconds = 10.0
    cors_origins: Origins = ""
    forwarded_allow_ips: Proxies = "127.0.0.1"


def read(**given: Any) -> Settings:
    """The settings of this process; raises SettingsInvalid, which names every invalid variable and shows no secret."""
    return read_settings(Settings, **given)
