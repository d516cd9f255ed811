"""What kuma_config.yml and kuma_agent.yml may say; the names of fields are the keys of the files."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

SHORTEST_INTERVAL, LONGEST_INTERVAL = 20, 24 * 86_400  # Uptime Kuma's own limits
Name = Annotated[str, Field(min_length=1, max_length=150, pattern=r"^\S(.*\S)?$")]
Seconds = Annotated[int, Field(strict=True, ge=SHORTEST_INTERVAL, le=LONGEST_INTERVAL)]
# A number in YAML is meant as well as a text: 200 and "200-299".
Statuses = Annotated[str, BeforeValidator(str), Field(pattern=r"^[1-5]\d\d(-[1-5]\d\d)?$")]


class Closed(BaseModel):
    """A part of a file that takes no other keys, and does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MonitorConfig(Closed):
    """What every monitor has; the time between retries is the interval unless it is said."""

    description: str = ""
    interval_seconds: Seconds = 60
    retries: Annotated[int, Field(strict=True, ge=0, le=1000)] = 2
    retry_interval_seconds: Seconds | None = None


class Http(MonitorConfig):
    """A monitor that asks a URL."""

    type: Literal["http"]
    url: Annotated[str, Field(pattern=r"^https?://[^\s/]+\S*$")]
    timeout_seconds: Annotated[int, Field(strict=True, ge=1, le=3600)] = 10
    accepted_statuses: Annotated[tuple[Statuses, ...], Field(min_length=1)] = ("200-299",)


class Port(MonitorConfig):
    """A monitor that opens a TCP connection."""

    type: Literal["port"]
    hostname: Annotated[str, Field(pattern=r"^\S+$")]
    port: Annotated[int, Field(strict=True, ge=1, le=65_535)]


class Heartbeat(MonitorConfig):
    """A monitor that waits for others to call; ``token_env`` names the variable that holds the secret part of its URL."""

    token_env: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]


class StatusPage(Closed):
    """The public page at /status/SLUG; groups are shown in the order of the file."""

    slug: Annotated[str, Field(max_length=255, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: Name
    description: str = ""
    groups: Annotated[Mapping[Name, tuple[Name, ...]], Field(min_length=1)]


class KumaConfig(Closed):
    """kuma_config.yml."""

    monitors: Mapping[Name, Annotated[Http | Port, Field(discriminator="type")]]
    status_page: StatusPage | None = None


class KumaAgent(Closed):
    """kuma_agent.yml."""

    heartbeats: Mapping[Name, Heartbeat]


class DeclaredConfig(Closed):
    """Both files, which agree with each other."""

    config: KumaConfig
    agent: KumaAgent
