"""Follows a prediction and an event through the running system: stored, seen by the board, counted, all monitors up.

python -m pipeline.operations.smoke           the whole system, as `docker compose up` starts it
python -m pipeline.operations.smoke --core    without the monitoring
"""

import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.clients import board as board_client
from pipeline.clients import monitoring, services
from pipeline.clients.board import BoardService
from pipeline.clients.services import DataService, PredictionService, ServiceRejected
from pipeline.recipes.loader import load_part
from pipeline.support import console
from pipeline.support.errors import OntimeError

DELIVERED_SECONDS, FOLLOWED_SECONDS, SCRAPED_SECONDS, UP_SECONDS = 30, 60, 90, 180
UPCOMING_HOURS = 48
AGAIN_SECONDS = 1.0
COUNTED = {  # what has to grow
    "predictions answered": 'sum by (instance) (prediction_api_predictions_total{job="prediction-api"})',
    "predictions stored": 'sum by (instance) (data_api_rows_written_total{job="data-api",table="predictions"})',
    "outcomes stored": 'sum by (instance) (data_api_rows_written_total{job="data-api",table="outcomes"})',
    "requests to the board": 'sum by (instance) (board_request_seconds_count{job="board"})',
}


class SmokeTestFailed(OntimeError):
    """Something that should have happened to the prediction or the event did not."""


def main() -> None:
    """Follows both; raises SmokeTestFailed, which names the first step that did not happen."""
    parser = console.parser(__spec__, __doc__, services.help_text())
    parser.add_argument("--core", action="store_true", help="without the monitoring")
    core = parser.parse_args().core
    prediction, store = services.from_environment(os.environ)
    board = board_client.from_environment(os.environ)
    prometheus, kuma = monitoring.from_environment(os.environ)
    with console.step("look at the services"):
        store.log_in()
        model = prediction.model()
        record = example(model)
        before = {} if core else {name: prometheus.values(query) for name, query in COUNTED.items()}
    with console.step("predict"):
        answer = prediction.predict([record])[0]
    with console.step("find the prediction in the database"):
        _stored(store, answer, prediction)
    with console.step("send its outcome"):
        store.record({answer["prediction_id"]: True})
    seen = follow_events(board, store, model["schema"].get("source"))
    if not core:
        with console.step("see all of it in Prometheus"):
            until(SCRAPED_SECONDS, lambda: _missing(prometheus, before), "Prometheus should have counted {}")
        with console.step("see all monitors up in Uptime Kuma"):
            until(
                UP_SECONDS,
                lambda: [name for name, up in kuma.up().items() if not up],
                "Uptime Kuma should see everything up, and not yet {}",
            )
    version, what = answer["model_version"], "core" if core else "whole system"
    console.say(f"The {what} works: model {version} gave {answer['probability']:.3f} for {answer['prediction_id']}. {seen}")


def example(model: dict[str, Any]) -> dict[str, Any]:
    """The record of the examples that the model's schema gives."""
    return {column["name"]: column["example"] for column in model["schema"]["columns"]}


def follow_events(board: BoardService, store: DataService, source: dict[str, Any] | None) -> str:
    """Sends an event that changes nothing, asks the board about a subject, and gives what the board did, in a sentence.

    Where the model's columns do not come from events, or the log is empty, the board only has to be ready.
    """
    position = store.event_log()["position"] if source else None
    if position:
        with console.step("send an event that changes nothing"):
            position = _send_event(store, position)
    with console.step("look at the board"):
        wanted = f"{board.url} should follow the event log: {{}}"
        until(FOLLOWED_SECONDS, lambda: _not_followed(board, position), wanted)
    if source is None or position is None:
        return "The board is ready, and the event log is empty." if source else "The board is ready, and follows no events."
    with console.step("ask the board"):
        return _ask(board, store.event(position), load_part(source["recipe"], "live"))


def _send_event(store: DataService, position: int) -> int:
    """Sends the row of the newest event again, without a value, and returns the position that the log then has."""
    newest, known_at = store.event(position), store.event_log()["watermark"]
    store.append_events([{"table": newest["table"], "key": newest["key"], "known_at": known_at, "values": {}}])
    reached: int = store.event_log()["position"]
    return reached


def _not_followed(board: BoardService, position: int | None) -> list[str]:
    try:
        log = board.log()
    except ServiceRejected as error:
        return [str(error)]
    return [] if position is None or log.get("position", 0) >= position else [f"it has not seen position {position}"]


def _ask(board: BoardService, newest: dict[str, Any], live: Any) -> str:
    """The answer about the next subject, or where none is due about the subject of the newest event."""
    subjects = [row[live.SUBJECT] for row in board.upcoming(UPCOMING_HOURS)[live.TABLE]]
    if newest["table"] == live.TABLE:
        subjects.append(newest["key"])
    if not subjects:
        return f"The board follows the event log, which has no {live.SUBJECT} of the next {UPCOMING_HOURS} hours."
    probability = board.predict({live.SUBJECT: subjects[0]})["probability"]
    name = " ".join(map(str, subjects[0].values()))
    return f"The board follows the event log, and gave {probability:.3f} for {live.SUBJECT} {name}."


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
