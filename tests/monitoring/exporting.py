"""What the services export, and whether a selector of PromQL finds it."""

import re
from pathlib import Path
from types import SimpleNamespace

import board.api.routes
import board.metrics
import data_api.app_state
import data_api.metrics
import data_api.settings
import prediction_api.api.routes
import prediction_api.app_state
import prediction_api.metrics
from data_api.drift import MIN_ROWS, Window

SERVICES = {"prediction-api": "prediction_api_", "data-api": "data_api_", "board": "board_"}
SELECTOR = re.compile(r'([a-zA-Z_:][\w:]*)\{((?:"[^"]*"|[^"}])*)\}')  # a quoted value may hold braces
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
NUMBERS = {"missing": 0.0, "edges": [0.5], "shares": [0.5, 0.5]}
REFERENCE = {"columns": {"carrier": {"missing": 0.0, "shares": {"AA": 1.0}}}, "probability": NUMBERS}


def exported(folder: Path) -> dict[str, list[tuple[str, dict[str, str]]]]:
    """Of each job the series that its service exports once it is used: names, and labels with values.

    ``folder`` takes the database of a service.
    """
    prediction = prediction_api.metrics.Metrics()
    prediction.model.labels("flights", "1").set(1)
    for route in ("/predict", "/predict/batch", *prediction_api.api.routes.PATHS):
        for status in (200, 422, 499, 500, 503):
            prediction.request(route, status, 0.01)
    outbox = SimpleNamespace(depth=0, size=0, most_bytes=1)
    prediction_api.app_state.AppState._watch_outbox(
        SimpleNamespace(metrics=prediction, outbox=outbox, outbox_age=lambda: 0.0)
    )
    url = f"sqlite:///{folder / 'ontime.db'}"
    settings = data_api.settings.Settings(database_url=url, _env_file=None)
    data = data_api.app_state.AppState(settings).metrics
    for route in ("/outcomes", "/performance", "/events", "/healthz", "/readyz", "/metrics"):
        for status in (200, 422, 500, 503):
            data.request(route, status, 0.01)
    scores = dict.fromkeys(("predictions", "coverage", *data_api.metrics.SCORES), 0.5)
    data.live({"1": scores, data_api.metrics.ALL_VERSIONS: scores}, 0.0)
    data.drift({label: arrived() for label in settings.drift_windows}, 0.0)
    tracker = board.metrics.Metrics()
    for route in board.api.routes.PATHS:
        tracker.request(route, 200, 0.01)
    for by_table in (tracker.events, tracker.table_age, tracker.table_silent):
        by_table.labels("flights")
    registries = {"prediction-api": prediction, "data-api": data, "board": tracker}
    return {job: series(metrics.registry) for job, metrics in registries.items()}


def arrived() -> Window:
    """A window of so many predictions that each column has an index."""
    window = Window(REFERENCE)
    for _ in range(MIN_ROWS):
        window.add({"carrier": "AA"}, 0.3)
    return window


def series(registry):
    return [(sample.name, sample.labels) for family in registry.collect() for sample in family.samples]


def matches(labels, matchers):
    """Whether labels pass the matchers of a selector, as Prometheus reads them; one label need not be on all series."""
    for name, kind, value in matchers:
        if name in ("job", "instance"):
            continue
        equal = re.fullmatch(value if "~" in kind else re.escape(value), labels.get(name, "")) is not None
        if name not in labels or equal == kind.startswith("!"):
            return False
    return True
