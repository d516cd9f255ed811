"""The metrics that every service has: its process, and the time of each request."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector


class RequestMetrics:
    """The metrics of one service, on a registry of their own: several services can live in one process."""

    def __init__(self, name: str, buckets: Sequence[float]) -> None:
        """Requests are counted in the histogram of this ``name``, whose ``buckets`` end at these seconds."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        text, labels = "Time to answer a request", ["route", "status"]
        self._seconds = Histogram(name, text, labels, buckets=buckets, registry=self.registry)
        self._observers: dict[tuple[str, int], Callable[[float], None]] = {}

    def request(self, route: str, status: int, seconds: float) -> None:
        """Counts one request and its time."""
        observe = self._observers.get((route, status))
        if observe is None:
            observe = self._observers[route, status] = self._seconds.labels(route, str(status)).observe
        observe(seconds)

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A gauge that is read when it is asked for."""
        Gauge(name, text, registry=self.registry).set_function(value)
