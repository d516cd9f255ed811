"""The three services that predict by themselves from events, each in a process of its own."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from contract.processes import KEY, ROOT, Process
from pipeline.config.paths import MODEL
from pipeline.data.event_log import Event
from service_processes import until

needs_model = pytest.mark.skipif(
    not MODEL.is_dir() and "CI" not in os.environ,  # CI makes it before
    reason="there is no model yet: type `make repro` first",
)


class Services:
    """A data service on an empty database, a prediction service of a model and a board, each in a process of its own."""

    def __init__(self, folder: Path, model: Path = ROOT / MODEL, **board: str) -> None:
        folder.mkdir(exist_ok=True)
        self.data = Process("data_api", "db", folder, DATABASE_URL=f"sqlite:///{folder}/ontime.db")
        shared = {"DATA_API_URL": self.data.url, "DATA_API_KEY": KEY}
        self.prediction = Process(
            "prediction_api", "serving", folder, MODEL_URI=str(model), OUTBOX_DIR=str(folder / "outbox"), **shared
        )
        self.settings = {**shared, "PREDICTION_API_URL": self.prediction.url, **board}
        self.board = Process("board", "serving", folder, **self.settings)
        self.client = httpx.Client(base_url=self.data.url, headers={"x-api-key": KEY}, timeout=60)

    def __enter__(self) -> Self:
        for service in (self.data, self.prediction):
            service.__enter__()
        self.board.start()
        return self

    def __exit__(self, *_: object) -> None:
        for service in (self.board, self.prediction, self.data):
            service.__exit__()

    def send(self, events: Sequence[Event]) -> None:
        """Sends events in one request."""
        answer = self.client.post("/events", json={"events": [event.as_json() for event in events]})
        assert answer.status_code == 201, answer.text

    def wait_until_done(self, seconds: float) -> None:
        """Returns once the board has done all that the events make due, and the predictions are stored."""
        self.board.wait_until_ready()
        last = self.client.get("/events/watermark").json()["position"]
        until(
            lambda: (log := self.checks()["log"]).get("position") == last and log["due"] == 0, seconds
        )  # none before events
        until(lambda: httpx.get(f"{self.prediction.url}/readyz").json()["checks"]["outbox"]["waiting"] == 0, seconds)

    def official(self) -> list[dict[str, Any]]:
        """The official predictions that are stored, by moment."""
        query = {"official": "true", "format": "ndjson", "order": "oldest"}
        return [json.loads(line) for line in self.client.get("/predictions", params=query).text.splitlines()]

    def checks(self) -> dict[str, Any]:
        """What the board says of what it needs."""
        return httpx.get(f"{self.board.url}/readyz", timeout=30).json()["checks"]


@contextmanager
def running(folder: Path, source: Path = ROOT / "src") -> Iterator[dict[str, str]]:
    """The addresses of a data service on an empty database, a prediction service that delivers to it, and a board.

    The board takes the recipe from ``source``.
    """
    data = Process("data_api", "db", folder, ENVIRONMENT="development", DATABASE_URL=f"sqlite:///{folder}/ontime.db")
    shared = {"DATA_API_URL": data.url, "DATA_API_KEY": KEY, "ACCESS_LOG": "false"}
    prediction = Process(
        "prediction_api", "serving", folder, MODEL_URI=str(ROOT / MODEL), MODEL_POLL_SECONDS="0",
        OUTBOX_DIR=str(folder / "outbox"), **shared,
    )  # fmt: skip
    paths = f"{source}:{ROOT / 'src'}:{ROOT / 'serving'}"
    board = Process("board", "serving", folder, PREDICTION_API_URL=prediction.url, PYTHONPATH=paths, **shared)
    with data, prediction:
        board.start()
        board.wait_until_it_listens()  # it is ready with the first event
        try:
            yield {"DATA_API_URL": data.url, "PREDICTION_API_URL": prediction.url, "BOARD_URL": board.url}
        finally:
            board.__exit__()
