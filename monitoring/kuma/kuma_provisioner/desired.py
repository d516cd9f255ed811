"""What was declared, in the words of Uptime Kuma's own protocol."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from kuma_provisioner.config_models import DeclaredConfig, Heartbeat, Http, MonitorConfig, Port, StatusPage

Fields = Mapping[str, Any]
OTHERWISE = ("200-299",)  # Uptime Kuma wants the accepted statuses of every monitor, even of those that have none


class DesiredState(NamedTuple):
    """The fields of each monitor, in the order of the files, and the status page."""

    monitors: tuple[Fields, ...]
    page: StatusPage | None


def desired_state(declared: DeclaredConfig, secrets: Mapping[str, str]) -> DesiredState:
    """What Uptime Kuma should hold; ``secrets`` has the token of each heartbeat by the name of its variable."""
    asked = (_asked(name, one) for name, one in declared.config.monitors.items())
    pushed = (_pushed(name, one, secrets[one.token_env]) for name, one in declared.agent.heartbeats.items())
    return DesiredState((*asked, *pushed), declared.config.status_page)


def _watched(name: str, kind: str, one: MonitorConfig) -> dict[str, Any]:
    return {
        "name": name,
        "type": kind,
        "description": one.description,
        "interval": one.interval_seconds,
        "retryInterval": one.retry_interval_seconds or one.interval_seconds,
        "maxretries": one.retries,
        "accepted_statuscodes": list(OTHERWISE),
        "upsideDown": False,
    }


def _asked(name: str, one: Http | Port) -> Fields:
    fields = _watched(name, one.type, one)
    if isinstance(one, Port):
        return fields | {"hostname": one.hostname, "port": one.port}
    own = {"url": one.url, "method": "GET", "timeout": one.timeout_seconds, "maxredirects": 10, "ignoreTls": False}
    return fields | own | {"accepted_statuscodes": list(one.accepted_statuses)}


def _pushed(name: str, one: Heartbeat, token: str) -> Fields:
    return _watched(name, "push", one) | {"pushToken": token}
