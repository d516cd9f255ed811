"""The metrics: requests, rows, logins, the pool, live scores, the coverage and delay of outcomes, drift."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import Counter, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from data_api.drift import Window
from service_kit.request_metrics import RequestMetrics

REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
HOUR = 3600
DELAY_SECONDS = (60, 600, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR, 48 * HOUR, 7 * 24 * HOUR, 30 * 24 * HOUR)
TABLES = ("predictions", "outcomes", "deployments", "events")
LOGINS = SUCCEEDED, FAILED, THROTTLED = ("succeeded", "failed", "throttled")
SCORES = ("roc_auc", "average_precision", "brier_score", "calibration_error", "label_rate", "outcome_rate")
ALL_VERSIONS = "all"  # and not a version of that name
Scores = Mapping[str, float | int | None]


class Metrics(RequestMetrics, Collector):
    """The metrics of one data service."""

    def __init__(self) -> None:
        super().__init__("data_api_request_seconds", REQUEST_SECONDS)
        registry = self.registry
        rows = Counter("data_api_rows_written_total", "Rows that are new, by table", ["table"], registry=registry)
        self.rows = {table: rows.labels(table) for table in TABLES}
        logins = Counter("data_api_logins_total", "Attempts to log in, by outcome", ["outcome"], registry=registry)
        self.logins = {outcome: logins.labels(outcome) for outcome in LOGINS}
        self.delay = Histogram(
            "data_api_outcome_delay_seconds", "Time from a prediction to its outcome's arrival",
            buckets=DELAY_SECONDS, registry=registry,
        )  # fmt: skip
        self._live: Sequence[Metric] = ()
        self.live({}, 0.0)
        self._drift: Sequence[Metric] = ()
        self.drift({}, 0.0)
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """The live scores, all of one moment, and drift, all of another (a collector of the registry)."""
        return (*self._live, *self._drift)

    def live(self, versions: Mapping[str, Scores], now: float) -> None:
        """Shows the scores of each version; those that are undefined, and versions that are gone, disappear."""
        by_score = {(score, version): scores[score] for version, scores in versions.items() for score in SCORES}
        predictions = {(version,): scores["predictions"] for version, scores in versions.items()}
        coverages = {(version,): scores["coverage"] for version, scores in versions.items()}
        self._live = (
            _gauge(
                "data_api_live_score",
                "Scores of the live window's predictions whose outcome is known",
                by_score,
                "score",
                "version",
            ),
            _gauge("data_api_live_predictions", "Predictions of the live window", predictions, "version"),
            _gauge(
                "data_api_outcome_coverage",
                "Share of the live window's predictions whose outcome is known",
                coverages,
                "version",
            ),
            _gauge("data_api_live_refreshed_timestamp_seconds", "When the live scores were computed last", {(): now}),
        )

    def drift(self, windows: Mapping[str, Window], now: float) -> None:
        """Shows the drift of each window; that of too few rows disappears."""
        columns = {(name, label): psi for label, window in windows.items() for name, psi in window.columns().items()}
        probabilities = {(label,): window.probability() for label, window in windows.items()}
        rows = {(label,): window.rows for label, window in windows.items()}
        self._drift = (
            _gauge(
                "data_api_drift_psi",
                "Population stability index of a column of what arrived, against the training rows",
                columns,
                "column",
                "window",
            ),
            _gauge(
                "data_api_probability_drift_psi",
                "Population stability index of the probability, against the training rows",
                probabilities,
                "window",
            ),
            _gauge("data_api_drift_rows", "Predictions that drift was computed from", rows, "window"),
            _gauge("data_api_drift_refreshed_timestamp_seconds", "When drift was computed last", {(): now}),
        )


def _gauge(name: str, text: str, values: Mapping[Any, float | None], *labels: str) -> Metric:
    """A gauge with those values that are defined, by the values of its labels."""
    gauge = GaugeMetricFamily(name, text, labels=labels)
    for label_values, value in values.items():
        if value is not None:
            gauge.add_metric(label_values, value)
    return gauge
