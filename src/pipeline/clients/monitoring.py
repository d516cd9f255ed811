"""What the monitoring says of the services: counts in Prometheus, and the state of each monitor in Uptime Kuma."""

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
    """Answers queries."""

    def __init__(self, address: Address) -> None:
        self._service = Service(address, lost=3)

    def values(self, query: str) -> dict[str, float]:
        """What a query gives now, by instance. Raises ServiceUnavailable or ServiceRejected."""
        found = self._service.get("/api/v1/query", query=query)["data"]["result"]
        return {one["metric"].get("instance", ""): float(one["value"][1]) for one in found}


class UptimeKuma:
    """Tells on its public status page what is up."""

    def __init__(self, address: Address) -> None:
        self._service = Service(address, lost=3)

    def up(self) -> dict[str, bool]:
        """Whether each monitor is up, by its name. Raises ServiceUnavailable or ServiceRejected."""
        page = self._service.get(f"/api/status-page/{PAGE}")
        beats = self._service.get(f"/api/status-page/heartbeat/{PAGE}")["heartbeatList"]
        monitors = [one for group in page["publicGroupList"] for one in group["monitorList"]]
        return {one["name"]: _up(beats.get(str(one["id"]))) for one in monitors}


def from_environment(environment: Mapping[str, str]) -> tuple[Prometheus, UptimeKuma]:
    """Both where SETTINGS say that they are."""
    url = {name: setting(name, default, environment) for name, (default, _) in SETTINGS.items()}
    return (
        Prometheus(Address(url["PROMETHEUS_URL"], "PROMETHEUS_URL", "PROMETHEUS_URL", start="make up")),
        UptimeKuma(Address(url["UPTIME_KUMA_URL"], "UPTIME_KUMA_URL", "UPTIME_KUMA_URL", start="make up")),
    )


def _up(beats: list[Any] | None) -> bool:
    return bool(beats) and beats[-1]["status"] == UP  # type: ignore[index]
