"""The metrics for Prometheus: requests, the log, official predictions, outcomes, the audit."""

from functools import partial

from prometheus_client import Counter, Gauge

from service_kit.request_metrics import RequestMetrics

REQUEST_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
OUTCOMES = ("true", "false", "none")


class Metrics(RequestMetrics):
    """The metrics of one board."""

    def __init__(self) -> None:
        super().__init__("board_request_seconds", REQUEST_SECONDS)
        counter, gauge = partial(Counter, registry=self.registry), partial(Gauge, registry=self.registry)
        self.watermark = gauge("board_watermark_timestamp_seconds", "The newest known_at of the events taken up")
        self.position = gauge("board_position", "The position in the log up to which events were taken up")
        self.events = counter("board_events_total", "Events taken up, by table", ["table"])
        self.events_refused = counter(
            "board_events_refused_total", "Events of the log that the model's tables have no place for"
        )
        self.table_age = gauge("board_table_age_seconds", "Time of the log since the newest event of a table", ["table"])
        self.table_silent = gauge(
            "board_table_silent", "1 while a table has had no event for longer than its recipe expects", ["table"]
        )
        self.official = counter("board_official_predictions_total", "Official predictions")
        self.refused = counter("board_official_predictions_refused_total", "Subjects whose features the model does not take")
        self.due = gauge("board_official_predictions_due", "Subjects whose moment has passed without an official prediction")
        outcomes = counter(
            "board_outcomes_total", "Outcomes of official predictions; none if none became known", ["outcome"]
        )
        self.outcomes = {outcome: outcomes.labels(outcome) for outcome in OUTCOMES}
        self.mismatches = counter(
            "board_feature_mismatches_total", "Official predictions whose features differ from those of the log as it stood"
        )
        self.late_facts = counter(
            "board_late_facts_total", "Official predictions whose features would differ today, because facts came late"
        )
        self.audited = counter(
            "board_audited_predictions_total", "Official predictions whose features were worked out again"
        )
