"""The settings of the service, and which of them it refuses."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Secret, SecretStr
from pydantic_settings import NoDecode
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from service_kit.errors import SettingsInvalid
from service_kit.setting_types import HeaderSecret, Port, Seconds, SecretText, WebAddress, weakness
from service_kit.settings import ServiceSettings, read_settings

Hours = Annotated[float, Field(gt=0, le=24 * 366)]
SHORTEST_SECRET, SHORTEST_PASSWORD = 32, 12
SHORTEST = {"jwt_secret": SHORTEST_SECRET, "first_admin_password": SHORTEST_PASSWORD, "first_service_key": SHORTEST_SECRET}
MOST_AT_ONCE = 36  # four of the forty threads stay for those who watch
# For a machine of one's own: everybody can read them here, so that outside development the service refuses them.
DEVELOPMENT = {
    "jwt_secret": "a secret of development, which everybody can read in the source",
    "first_admin_password": "development",
    "first_service_key": "ontime_development_key_of_the_prediction_service",
}
DEVELOPMENT_DATABASE = "ontime_development_database"  # the password of the stack's PostgreSQL on a machine of one's own


def _split(value: object) -> object:
    return tuple(value.split(",")) if isinstance(value, str) else value


def _supported_address(secret: SecretStr) -> SecretStr:
    """The address of a database that the service can use; raises ValueError, which shows no secret."""
    if reason := _unsupported(secret.get_secret_value()):
        raise ValueError(f"should be sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/NAME; {reason}")
    return secret


def _unsupported(text: str) -> str | None:
    try:
        address = make_url(text)
    except (ArgumentError, ValueError):  # the latter for a port that is no number
        return "it begins with 'no URL'" if "://" not in text else "its port is no number, or it is no URL"
    if address.drivername not in {"sqlite", "postgresql", "postgresql+psycopg"}:
        return f"it begins with {address.drivername!r}"
    if {"password", "sslpassword"} & set(address.query):
        return "it holds a password after '?', which would be shown"
    if address.drivername != "sqlite" and "@" in f"{address.host}{address.database}":
        return "its user or password holds a @ or a / as it is; write %40 for @ and %2F for /"
    if address.drivername == "sqlite" and (not address.database or address.database.startswith((":", "file:"))):
        return "it names no file, and what is in memory is gone with the first connection"
    return None


class Settings(ServiceSettings):
    """Each field is an environment variable of its name in capitals, or a file of its name; empty counts as not set."""

    environment: Literal["development", "production"] = "development"
    data_api_host: str = "127.0.0.1"
    data_api_port: Port = 8001
    database_url: Annotated[SecretText, AfterValidator(_supported_address)] = SecretStr("sqlite:///db/ontime.db")
    database_password: SecretText | None = None
    database_pool: Annotated[int, Field(ge=1, le=200)] = 10
    statement_seconds: Seconds = 30.0
    jwt_secret: SecretText | None = None
    token_minutes: Annotated[float, Field(gt=0, le=60 * 24 * 30)] = 60.0
    first_admin: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@-]{1,64}$")] = "admin"
    first_admin_password: SecretText | None = None
    first_service_key: HeaderSecret | None = None
    login_attempts: Annotated[int, Field(ge=1, le=10_000)] = 10
    live_window_hours: Hours = 24.0
    live_refresh_seconds: Seconds = 60.0
    drift_hours: Annotated[tuple[Hours, ...], NoDecode, BeforeValidator(_split), Field(max_length=5)] = (6, 72)
    drift_refresh_seconds: Seconds = 300.0
    data_api_heartbeat_url: Secret[WebAddress] | None = None
    max_rows: Annotated[int, Field(ge=1, le=10_000)] = 10_000
    data_api_max_body_bytes: Annotated[int, Field(ge=1_000)] = 32 * 2**20
    data_api_max_concurrency: Annotated[int, Field(ge=1, le=MOST_AT_ONCE)] = 32
    data_api_request_seconds: Seconds = 30.0

    @property
    def live_window(self) -> timedelta:
        """How far back live performance looks."""
        return timedelta(hours=self.live_window_hours)

    @property
    def drift_windows(self) -> dict[str, timedelta]:
        """How far back drift looks, by the name of each window."""
        return {f"{hours:g}h": timedelta(hours=hours) for hours in self.drift_hours}

    @property
    def url(self) -> str:
        """The address of the database, its password included: DATABASE_PASSWORD, where it names a user and none."""
        address = make_url(self.database_url.get_secret_value())
        if self.database_password and address.username and not address.password:
            address = address.set(password=self.database_password.get_secret_value())
        return address.render_as_string(hide_password=False)

    def secret(self, name: str) -> str | None:
        """A secret as it is set, or development's own; None where neither is."""
        secret: SecretStr | None = getattr(self, name)
        if secret is not None:
            return secret.get_secret_value()
        return DEVELOPMENT[name] if self.environment == "development" else None

    @property
    def defaults_in_use(self) -> list[str]:
        """The secrets of development that this process uses, as variables."""
        used = [name.upper() for name, default in DEVELOPMENT.items() if self.secret(name) == default]
        return [*used, "DATABASE_PASSWORD"] if make_url(self.url).password == DEVELOPMENT_DATABASE else used


def read(**changes: Any) -> Settings:
    """The settings of this process; raises SettingsInvalid, which names every invalid variable and shows no secret."""
    settings = parse(**changes)
    _refuse_weak_secrets(settings)
    return settings


def parse(**changes: Any) -> Settings:
    """The settings, whose secrets may be weak; raises SettingsInvalid."""
    return read_settings(Settings, **changes)


def _refuse_weak_secrets(settings: Settings) -> None:
    """Raises SettingsInvalid for weak secrets outside development; a database without a password has other means."""
    if settings.environment == "development":
        return
    secrets = {name.upper(): (settings.secret(name), DEVELOPMENT[name], length) for name, length in SHORTEST.items()}
    missing = [name for name, (secret, *_) in secrets.items() if secret is None]
    password = make_url(settings.url).password
    secrets["DATABASE_PASSWORD, or the password in DATABASE_URL,"] = password, DEVELOPMENT_DATABASE, SHORTEST_PASSWORD
    reasons = [f"{name} {reason}" for name, secret in secrets.items() if (reason := weakness(*secret))]
    if "JWT_SECRET" in missing:
        others = f", nor {' and '.join(missing[1:])}, which an empty database requires" if missing[1:] else ""
        reasons.insert(0, f"JWT_SECRET is not set{others}")
    if reasons:
        raise SettingsInvalid(
            f"ENVIRONMENT={settings.environment} requires secrets of its own: {'; '.join(reasons)}. "
            "`python -m data_api secret` makes one."
        )
