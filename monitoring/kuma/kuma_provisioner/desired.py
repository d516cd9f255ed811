"""The declared monitors in the field names of Uptime Kuma's protocol."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from kuma_provisioner.config_models import DeclaredConfig, MonitorConfig, PushMonitor, StatusPage

Fields = Mapping[str, Any]
COMMON = {"upsideDown": False, "accepted_statuscodes": ["200-299"]}  # Uptime Kuma wants statuses of every type
HTTP = {"method": "GET", "maxredirects": 10, "ignoreTls": False}


class DesiredState(NamedTuple):
    """The fields of each monitor, in the order of the files, and the status page."""

    monitors: tuple[Fields, ...]
    page: StatusPage | None


def desired_state(declared: DeclaredConfig, secrets: Mapping[str, str]) -> DesiredState:
    """What Uptime Kuma should hold; ``secrets`` has the token of each heartbeat by the name of its variable."""
    monitors = {**declared.config.monitors, **declared.agent.heartbeats}
    fields = tuple(_fields(name, monitor, secrets) for name, monitor in monitors.items())
    return DesiredState(fields, declared.config.status_page)


def _fields(name: str, monitor: MonitorConfig, secrets: Mapping[str, str]) -> Fields:
    fields = {"name": name, **COMMON, **monitor.model_dump(mode="json", by_alias=True)}
    fields["retryInterval"] = fields["retryInterval"] or fields["interval"]
    if isinstance(monitor, PushMonitor):
        return fields | {"type": "push", "pushToken": secrets[monitor.token_env]}
    return fields | (HTTP if fields["type"] == "http" else {})
