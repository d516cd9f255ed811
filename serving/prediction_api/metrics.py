"""The metrics for Prometheus: requests, predictions, the model in use, reloads, the outbox."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import accumulate

import numpy as np
import numpy.typing as npt
from prometheus_client import Counter, Gauge
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from service_kit.request_metrics import RequestMetrics

WARNING_KINDS = ("unseen_category", "outside_training_range", "outside_training_period", "unseen_missing")
UNSEEN_CATEGORY, OUTSIDE_RANGE, OUTSIDE_PERIOD, UNSEEN_MISSING = WARNING_KINDS
REQUEST_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
TENTHS = tuple(tenth / 10 for tenth in range(1, 11))
OUTCOMES = CHANGED, UNCHANGED, FAILED = ("changed", "unchanged", "failed")


class FastHistogram(Collector):
    """A histogram that takes the values of a thousand predictions in the time that the library's takes for some dozens."""

    def __init__(self, name: str, text: str, edges: Sequence[float]) -> None:
        self._name, self._text, self._edges = name, text, edges
        self._counts, self._sum = [0] * (len(edges) + 1), 0.0

    def observe(self, values: Sequence[float]) -> None:
        """Counts each value in the first bucket whose edge it does not exceed."""
        for value in values:
            self._counts[bisect_left(self._edges, value)] += 1
        self._sum += sum(values)

    def observe_array(self, values: npt.NDArray[np.float64]) -> None:
        """As ``observe``, in a tenth of the time where there are many."""
        buckets = np.bincount(np.searchsorted(self._edges, values), minlength=len(self._counts))
        self._counts = [count + more for count, more in zip(self._counts, buckets.tolist(), strict=True)]
        self._sum += sum(values.tolist())

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """The histogram as it is exposed: counts up to each edge."""
        edges = [*map(str, self._edges), "+Inf"]
        yield HistogramMetricFamily(
            self._name, self._text, list(zip(edges, map(float, accumulate(self._counts)), strict=True)), self._sum
        )


class Metrics(RequestMetrics):
    """The metrics of one prediction service."""

    def __init__(self) -> None:
        super().__init__("prediction_api_request_seconds", REQUEST_SECONDS)
        registry = self.registry
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        predictions = counter("prediction_api_predictions_total", "Predictions by label", ["label"])
        self.predictions = {label: predictions.labels(str(label).lower()) for label in (True, False)}
        self.probability = FastHistogram("prediction_api_probability", "Probability of the predictions", TENTHS)
        registry.register(self.probability)
        warnings = counter("prediction_api_warnings_total", "Warnings in predictions, by kind", ["kind"])
        self.warnings = {kind: warnings.labels(kind) for kind in WARNING_KINDS}
        self.model = gauge("prediction_api_model_info", "The model that answers", ["name", "version"])
        self.model_loaded = gauge("prediction_api_model_loaded_timestamp_seconds", "When the model that answers was loaded")
        reloads = counter("prediction_api_reloads_total", "Reloads of the model, by outcome", ["outcome"])
        self.reloads = {outcome: reloads.labels(outcome) for outcome in OUTCOMES}
        self.reload_failing = gauge("prediction_api_reload_failing", "1 while the last reload of the model failed")
        self.delivered = counter("prediction_api_outbox_delivered_total", "Predictions that the data service took")
        self.refused = counter("prediction_api_outbox_refused_total", "Predictions that the data service refused for good")
        self.delivery_failures = counter("prediction_api_delivery_failures_total", "Deliveries that will be tried again")
