"""The declared monitors in the field names of Uptime Kuma's protocol."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from kuma_provisioner.config_models import DeclaredConfig, HttpMonitor, MonitorConfig, PortMonitor, PushMonitor, StatusPage

Fields = Mapping[str, Any]
DEFAULT_STATUSES = ["200-299"]  # Uptime Kuma wants accepted statuses for monitors of every type


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
    fields = {
        "name": name,
        "description": monitor.description,
        "interval": monitor.interval_seconds,
        "retryInterval": monitor.retry_interval_seconds or monitor.interval_seconds,
        "maxretries": monitor.retries,
        "accepted_statuscodes": DEFAULT_STATUSES,
        "upsideDown": False,
    }
    match monitor:
        case HttpMonitor():
            http = {"url": monitor.url, "method": "GET", "timeout": monitor.timeout_seconds, "maxredirects": 10}
            statuses = list(monitor.accepted_statuses)
            return fields | http | {"type": "http", "ignoreTls": False, "accepted_statuscodes": statuses}
        case PortMonitor():
            return fields | {"type": "port", "hostname": monitor.hostname, "port": monitor.port}
        case PushMonitor():
            return fields | {"type": "push", "pushToken": secrets[monitor.token_env]}
    raise TypeError(monitor)
