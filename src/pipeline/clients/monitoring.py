"""Clients of the monitoring: queries to Prometheus, and the status page of Uptime Kuma."""

from collections.abc import Mapping

from pipeline.clients.environment import setting
from pipeline.clients.services import Service

PAGE = "ontime"  # the status page of monitoring/kuma/kuma_config.yml
UP = 1


class Prometheus(Service):
    """The HTTP API of Prometheus."""

    def values(self, query: str) -> dict[str, float]:
        """The result of an instant query, by instance. Raises ServiceUnavailable or ServiceRejected."""
        series = self.get("/api/v1/query", query=query)["data"]["result"]
        return {sample["metric"].get("instance", ""): float(sample["value"][1]) for sample in series}


class UptimeKuma(Service):
    """The public status page of Uptime Kuma."""

    def up(self) -> dict[str, bool]:
        """Whether each monitor is up, by its name. Raises ServiceUnavailable or ServiceRejected."""
        groups = self.get(f"/api/status-page/{PAGE}")["publicGroupList"]
        beats = self.get(f"/api/status-page/heartbeat/{PAGE}")["heartbeatList"]
        latest = {monitor: statuses[-1]["status"] for monitor, statuses in beats.items() if statuses}
        monitors = [monitor for group in groups for monitor in group["monitorList"]]
        return {monitor["name"]: latest.get(str(monitor["id"])) == UP for monitor in monitors}


def from_environment(environment: Mapping[str, str]) -> tuple[Prometheus, UptimeKuma]:
    """Clients of both, at PROMETHEUS_URL and UPTIME_KUMA_URL, or at their ports of this machine."""
    prometheus = setting("PROMETHEUS_URL", "http://127.0.0.1:9090", environment)
    kuma = setting("UPTIME_KUMA_URL", "http://127.0.0.1:3001", environment)
    return Prometheus(prometheus, "PROMETHEUS_URL", start="make up"), UptimeKuma(kuma, "UPTIME_KUMA_URL", start="make up")
