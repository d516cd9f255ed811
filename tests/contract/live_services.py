"""The three services that predict by themselves from events, each in a process of its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contract.processes import KEY, ROOT, Process
from pipeline.config.paths import MODEL

needs_model = pytest.mark.skipif(
    not MODEL.is_dir() and "CI" not in os.environ,  # CI makes it before
    reason="there is no model yet: type `make repro` first",
)


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
