"""Clients of the monitoring: queries to Prometheus, and the status page of Uptime Kuma."""

from collections.abc import Mapping
from typing import Any

from pipeline.clients.environment import setting
from pipeline.clients.services import Address, Service

SETTINGS = {  # name: its default, and what it is
    "PROMETHEUS_URL": ("http://127.0.0.1:9090", "Prometheus"),
    "UPTIME_KUMA_URL": ("http://127.0.0.1:3001", "Uptime Kuma"),
}
PAGE = "ontime"  # the status page of monitoring/kuma/kuma_config.yml
UP = 1


class Prometheus:
    """The HTTP API of Prometheus."""

    def __init__(self, address: Address) -> None:
        self._service = Service(address, read_retries=3)

    def values(self, query: str) -> dict[str, float]:
        """The result of an instant query, by instance. Raises ServiceUnavailable or ServiceRejected."""
        series = self._service.get("/api/v1/query", query=query)["data"]["result"]
        return {sample["metric"].get("instance", ""): float(sample["value"][1]) for sample in series}


class UptimeKuma:
    """The public status page of Uptime Kuma."""

    def __init__(self, address: Address) -> None:
        self._service = Service(address, read_retries=3)

    def up(self) -> dict[str, bool]:
        """Whether each monitor is up, by its name. Raises ServiceUnavailable or ServiceRejected."""
        page = self._service.get(f"/api/status-page/{PAGE}")
        beats = self._service.get(f"/api/status-page/heartbeat/{PAGE}")["heartbeatList"]
        monitors = [monitor for group in page["publicGroupList"] for monitor in group["monitorList"]]
        return {monitor["name"]: _is_up(beats.get(str(monitor["id"]))) for monitor in monitors}


def from_environment(environment: Mapping[str, str]) -> tuple[Prometheus, UptimeKuma]:
    """Clients of both, at the addresses that SETTINGS give."""
    url = {name: setting(name, default, environment) for name, (default, _) in SETTINGS.items()}
    return (
        Prometheus(Address(url["PROMETHEUS_URL"], "PROMETHEUS_URL", "PROMETHEUS_URL", start="make up")),
        UptimeKuma(Address(url["UPTIME_KUMA_URL"], "UPTIME_KUMA_URL", "UPTIME_KUMA_URL", start="make up")),
    )


def _is_up(beats: list[Any] | None) -> bool:
    return bool(beats) and beats[-1]["status"] == UP  # type: ignore[index]
