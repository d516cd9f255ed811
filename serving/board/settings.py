"""The settings of the board, and which of them it refuses."""

from typing import Annotated, Any, Literal

from pydantic import Field, HttpUrl, Secret

from service_kit.errors import SettingsInvalid
from service_kit.setting_types import BaseAddress, HeaderSecret, Port, Seconds, SecretText, WebAddress, weakness
from service_kit.settings import ServiceSettings, read_settings

SHORTEST_SECRET = 32
# For a machine of one's own: everybody can read it here, so that outside development the board refuses it.
DEVELOPMENT_SECRET = "a secret of development for sessions, which everybody can read"  # noqa: S105


class Settings(ServiceSettings):
    """Each field is an environment variable of its name in capitals, or a file of its name; empty counts as not set."""

    environment: Literal["development", "production"] = "development"
    board_host: str = "127.0.0.1"
    board_port: Port = 8002
    data_api_url: BaseAddress = HttpUrl("http://127.0.0.1:8001")
    data_api_key: HeaderSecret | None = None
    prediction_api_url: BaseAddress = HttpUrl("http://127.0.0.1:8000")
    prediction_api_key: HeaderSecret | None = None
    api_keys: str = ""
    board_session_secret: SecretText | None = None
    warm_up_days: Annotated[float | None, Field(ge=0, le=366)] = None
    audit_hours: Annotated[float, Field(ge=0, le=24 * 366)] = 24.0
    board_heartbeat_url: Secret[WebAddress] | None = None
    board_max_concurrency: Annotated[int, Field(ge=1)] = 64
    board_request_seconds: Seconds = 10.0

    @property
    def session_secret(self) -> str:
        """What signs the sessions: the secret that is set, or that of development."""
        return self.board_session_secret.get_secret_value() if self.board_session_secret else DEVELOPMENT_SECRET

    @property
    def pages_are_open(self) -> bool:
        """Whether people on this machine see the pages without a log-in: in development, with its secret."""
        return self.environment == "development" and self.session_secret == DEVELOPMENT_SECRET


def read(**changes: Any) -> Settings:
    """The settings of this process; raises SettingsInvalid, which names every invalid variable and shows no secret.

    Outside development the secret of the sessions must be a strong one of its own.
    """
    settings = read_settings(Settings, **changes)
    secret = settings.board_session_secret
    reason = weakness(secret.get_secret_value(), DEVELOPMENT_SECRET, SHORTEST_SECRET) if secret else "is not set"
    if reason and settings.environment != "development":
        raise SettingsInvalid(
            f"ENVIRONMENT={settings.environment} requires a secret of its own that signs the sessions of readers: "
            f"BOARD_SESSION_SECRET {reason}. `python -m data_api secret` makes one."
        )
    return settings
