"""The settings of the board."""

from typing import Annotated, Any

from pydantic import Field, HttpUrl, Secret

from service_kit.setting_types import BaseAddress, HeaderSecret, Port, Seconds, WebAddress
from service_kit.settings import ServiceSettings, read_settings


class Settings(ServiceSettings):
    """Each field is an environment variable of its name in capitals, or a file of its name; empty counts as not set."""

    board_host: str = "127.0.0.1"
    board_port: Port = 8002
    data_api_url: BaseAddress = HttpUrl("http://127.0.0.1:8001")
    data_api_key: HeaderSecret | None = None
    prediction_api_url: BaseAddress = HttpUrl("http://127.0.0.1:8000")
    prediction_api_key: HeaderSecret | None = None
    api_keys: str = ""
    warm_up_days: Annotated[float | None, Field(ge=0, le=366)] = None
    audit_hours: Annotated[float, Field(ge=0, le=24 * 366)] = 24.0
    board_heartbeat_url: Secret[WebAddress] | None = None
    board_max_concurrency: Annotated[int, Field(ge=1)] = 64
    board_request_seconds: Seconds = 10.0


def read(**changes: Any) -> Settings:
    """The settings of this process; raises SettingsInvalid, which names every invalid variable and shows no secret."""
    return read_settings(Settings, **changes)
