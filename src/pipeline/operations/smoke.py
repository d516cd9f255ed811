"""Follows one prediction through the running system: answered, stored, its outcome stored, both counted, all monitors up.

python -m pipeline.operations.smoke           the whole system, as `docker compose up` starts it
python -m pipeline.operations.smoke --core    without the monitoring
"""

import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.clients import monitoring, services
from pipeline.clients.services import DataService, PredictionService
from pipeline.support import console
from pipeline.support.errors import OntimeError

DELIVERED_SECONDS, SCRAPED_SECONDS, UP_SECONDS = 30, 90, 180
AGAIN_SECONDS = 1.0
COUNTED = {  # what has to grow by the one prediction and its outcome
    "predictions answered": 'sum by (instance) (prediction_api_predictions_total{job="prediction-api"})',
    "predictions stored": 'sum by (instance) (data_api_rows_written_total{job="data-api",table="predictions"})',
    "outcomes stored": 'sum by (instance) (data_api_rows_written_total{job="data-api",table="outcomes"})',
}


class SmokeTestFailed(OntimeError):
    """Something that should have happened to the prediction did not."""


def main() -> None:
    """Follows it; raises SmokeTestFailed, which says how far it came."""
    parser = console.parser(__spec__, __doc__, services.help_text())
    parser.add_argument("--core", action="store_true", help="without the monitoring")
    core = parser.parse_args().core
    prediction, store = services.from_environment(os.environ)
    prometheus, kuma = monitoring.from_environment(os.environ)
    with console.step("look at the services"):
        store.log_in()
        record = example(prediction.model())
        before = {} if core else {name: prometheus.values(query) for name, query in COUNTED.items()}
    with console.step("predict"):
        answer = prediction.predict([record])[0]
    with console.step("find the prediction in the database"):
        _stored(store, answer, prediction)
    with console.step("send its outcome"):
        store.record({answer["prediction_id"]: True})
    if not core:
        with console.step("see both in Prometheus"):
            until(SCRAPED_SECONDS, lambda: _missing(prometheus, before), "Prometheus should have counted {}")
        with console.step("see all monitors up in Uptime Kuma"):
            until(
                UP_SECONDS,
                lambda: [name for name, up in kuma.up().items() if not up],
                "Uptime Kuma should see everything up, and not yet {}",
            )
    version, what = answer["model_version"], "core" if core else "whole system"
    console.say(f"The {what} works: model {version} gave {answer['probability']:.3f} for {answer['prediction_id']}.")


def example(model: dict[str, Any]) -> dict[str, Any]:
    """The record of the examples that the model's schema gives."""
    return {column["name"]: column["example"] for column in model["schema"]["columns"]}


def until(seconds: float, missing: Callable[[], list[str]], wanted: str) -> None:
    """Waits until nothing is missing; raises SmokeTestFailed with what still is."""
    end = time.monotonic() + seconds
    while found := missing():
        if time.monotonic() > end:
            raise SmokeTestFailed(
                f"{wanted.format(', '.join(found))}: {seconds:g} seconds were not enough. `docker compose ps` and "
                "`make logs` say what is wrong."
            )
        time.sleep(AGAIN_SECONDS)


def _stored(store: DataService, answer: dict[str, Any], prediction: PredictionService) -> None:
    since = datetime.now(UTC) - timedelta(minutes=5)
    wanted = f"{store.url} should have the prediction that {prediction.url} gave: {{}} is not there"
    identity = answer["prediction_id"]
    until(DELIVERED_SECONDS, lambda: [] if identity in store.prediction_ids(since) else [identity], wanted)


def _missing(prometheus: monitoring.Prometheus, before: dict[str, dict[str, float]]) -> list[str]:
    return [name for name, query in COUNTED.items() if not _counted(prometheus.values(query), before[name])]


def _counted(now: Mapping[str, float], before: Mapping[str, float]) -> bool:
    """Whether an instance counted something; one that was started again counts from nothing, to less than before."""
    return any(value > 0 and value != before.get(instance) for instance, value in now.items())


if __name__ == "__main__":
    console.run(main)
