"""Both real services, each in a process of its own, score the replayed flights as the pipeline does."""

import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from pipeline.paths import MODEL, TEST_TABLE

HOUSE = Path.cwd()
DAYS = 5
START_SECONDS = 30
KEY = "ontime_development_key_of_the_prediction_service"

pytestmark = pytest.mark.skipif(
    not (MODEL.is_dir() and TEST_TABLE.is_file()) and "CI" not in os.environ,  # CI makes them before
    reason="there is no model yet: type `make repro` first",
)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def running(module, source, url, folder, **settings):
    """A service in a process of its own, from when it is ready until it has ended."""
    log = folder / f"{module}.log"
    known = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR", "LANG"}}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            env={**known, "PYTHONPATH": str(HOUSE / source), **settings}, stdout=file, stderr=file, cwd=HOUSE,
        )  # fmt: skip
    try:
        wait_until_ready(url, process, log)
        yield
    finally:
        process.terminate()
        process.wait(30)


def wait_until_ready(url, process, log):
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        time.sleep(0.05)
    pytest.fail(f"{url} is not ready: {log.read_text()}")


@pytest.fixture
def urls(tmp_path):
    """The addresses of a data service on an empty database, and of a prediction service that delivers to it."""
    ports = {"PREDICTION_API": free_port(), "DATA_API": free_port()}
    urls = {f"{name}_URL": f"http://127.0.0.1:{port}" for name, port in ports.items()}
    with ExitStack() as services:
        services.enter_context(
            running(
                "data_api", "db", urls["DATA_API_URL"], tmp_path,
                ENVIRONMENT="development", DATA_API_PORT=str(ports["DATA_API"]), DATABASE_URL=f"sqlite:///{tmp_path}/ontime.db",
            )
        )  # fmt: skip
        services.enter_context(
            running(
                "prediction_api", "serving", urls["PREDICTION_API_URL"], tmp_path,
                PREDICTION_API_PORT=str(ports["PREDICTION_API"]), MODEL_URI=str(HOUSE / MODEL), MODEL_POLL_SECONDS="0",
                OUTBOX_DIR=str(tmp_path / "outbox"), DATA_API_URL=urls["DATA_API_URL"], DATA_API_KEY=KEY, ACCESS_LOG="false",
            )
        )  # fmt: skip
        yield urls


def replayed(urls, *options):
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("DATA_API", "PREDICTION_API", "FIRST_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "pipeline.replay", *options],
        env={**clean, "PYTHONPATH": str(HOUSE / "src"), **urls}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_live_scores_of_replayed_flights_are_those_that_the_pipeline_gives_them(urls):
    done = replayed(urls, "--days", str(DAYS))

    assert done.returncode == 0, done.stderr + done.stdout
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.stdout.splitlines() if "│" in line]
    found = {name: (live, offline) for name, live, offline, _ in lines}
    assert all(live == offline for live, offline in found.values())
    assert int(found["predictions"][0].replace(",", "")) > 3_000
    assert found["outcomes"] == found["predictions"]
    assert 0.5 < float(found["roc_auc"][0]) < 1


def test_a_second_replay_is_scored_by_itself(urls):
    first, second = (replayed(urls, "--rows", "700") for _ in range(2))

    assert (first.returncode, second.returncode) == (0, 0), second.stderr
    assert first.stdout == second.stdout
