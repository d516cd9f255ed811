"""The contents of kuma_config.yml and kuma_agent.yml.

The names of fields are the keys of the files, their aliases the names in Uptime Kuma's protocol.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

SHORTEST_INTERVAL, LONGEST_INTERVAL = 20, 24 * 86_400  # Uptime Kuma's own limits


def _matching(pattern: str, rule: str) -> AfterValidator:
    """A validator that refuses texts that do not match a pattern, and says the rule instead of the pattern."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"should {rule}")
        return text

    return AfterValidator(check)


Name = Annotated[str, Field(min_length=1, max_length=150), _matching(r"\S(.*\S)?", "neither begin nor end with a space")]
Seconds = Annotated[int, Field(strict=True, ge=SHORTEST_INTERVAL, le=LONGEST_INTERVAL)]
Statuses = Annotated[
    str,
    BeforeValidator(str),  # YAML reads 200 as a number
    _matching(r"[1-5]\d\d(-[1-5]\d\d)?", "be a status such as 200 or a range such as 200-299"),
]
Url = Annotated[str, _matching(r"https?://[^\s/]+\S*", "begin with http:// or https://")]
Slug = Annotated[
    str,
    Field(max_length=255),
    _matching(r"[a-z0-9]+(-[a-z0-9]+)*", "be small letters and digits, with single hyphens between them"),
]
Variable = Annotated[str, _matching(r"[A-Z][A-Z0-9_]*", "be the name of a variable, such as OUTBOX_HEARTBEAT_TOKEN")]


class FrozenModel(BaseModel):
    """A part of a file: it allows no other keys and cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MonitorConfig(FrozenModel):
    """The settings of every monitor; the time between retries is the interval unless it is set."""

    description: str = ""
    interval_seconds: Annotated[Seconds, Field(serialization_alias="interval")] = 60
    retry_interval_seconds: Annotated[Seconds | None, Field(serialization_alias="retryInterval")] = None
    retries: Annotated[int, Field(strict=True, ge=0, le=1000, serialization_alias="maxretries")] = 2


class HttpMonitor(MonitorConfig):
    """A monitor that requests a URL."""

    type: Literal["http"]
    url: Url
    timeout_seconds: Annotated[int, Field(strict=True, ge=1, le=3600, serialization_alias="timeout")] = 10
    accepted_statuses: Annotated[tuple[Statuses, ...], Field(min_length=1, serialization_alias="accepted_statuscodes")] = (
        "200-299",
    )


class PortMonitor(MonitorConfig):
    """A monitor that opens a TCP connection."""

    type: Literal["port"]
    hostname: Annotated[str, _matching(r"\S+", "hold no space")]
    port: Annotated[int, Field(strict=True, ge=1, le=65_535)]


class PushMonitor(MonitorConfig):
    """A monitor that waits for heartbeats; ``token_env`` names the variable that holds the secret part of its URL."""

    token_env: Annotated[Variable, Field(exclude=True)]


class StatusPage(FrozenModel):
    """The public page at /status/SLUG; groups are shown in the order of the file."""

    slug: Slug
    title: Name
    description: str = ""
    groups: Annotated[Mapping[Name, tuple[Name, ...]], Field(min_length=1)]


class KumaConfig(FrozenModel):
    """kuma_config.yml."""

    monitors: Mapping[Name, Annotated[HttpMonitor | PortMonitor, Field(discriminator="type")]]
    status_page: StatusPage | None = None


class KumaAgent(FrozenModel):
    """kuma_agent.yml."""

    heartbeats: Mapping[Name, PushMonitor]


class DeclaredConfig(FrozenModel):
    """Both files, which agree with each other."""

    config: KumaConfig
    agent: KumaAgent
