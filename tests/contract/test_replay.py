"""Both real services, each in a process of its own, score the replayed flights as the pipeline does."""

import os
import subprocess
import sys

import pytest

from contract.processes import KEY, ROOT, Process
from pipeline.config.paths import MODEL, TEST_TABLE

DAYS = 5

pytestmark = pytest.mark.skipif(
    not (MODEL.is_dir() and TEST_TABLE.is_file()) and "CI" not in os.environ,  # CI makes them before
    reason="there is no model yet: type `make repro` first",
)


@pytest.fixture
def urls(tmp_path):
    """The addresses of a data service on an empty database, and of a prediction service that delivers to it."""
    data = Process("data_api", "db", tmp_path, ENVIRONMENT="development", DATABASE_URL=f"sqlite:///{tmp_path}/ontime.db")
    prediction = Process(
        "prediction_api", "serving", tmp_path, MODEL_URI=str(ROOT / MODEL), MODEL_POLL_SECONDS="0",
        OUTBOX_DIR=str(tmp_path / "outbox"), DATA_API_URL=data.url, DATA_API_KEY=KEY, ACCESS_LOG="false",
    )  # fmt: skip
    with data, prediction:
        yield {"DATA_API_URL": data.url, "PREDICTION_API_URL": prediction.url}


def replayed(urls, *options):
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("DATA_API", "PREDICTION_API", "FIRST_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "pipeline.replay", *options],
        env={**clean, "PYTHONPATH": str(ROOT / "src"), **urls}, capture_output=True, text=True, check=False,
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
