"""The real services, each in a process of its own, predict the replayed flights as the pipeline does."""

import os
import shutil
import subprocess
import sys

import pytest

import in_process
from contract.live_services import running
from contract.processes import ROOT
from pipeline.config.paths import MODEL, TEST_TABLE

DAYS = 3

pytestmark = pytest.mark.skipif(
    not (MODEL.is_dir() and TEST_TABLE.is_dir()) and "CI" not in os.environ,  # CI makes them before
    reason="there is no model yet: type `make repro` first",
)


@pytest.fixture(scope="module")
def urls(tmp_path_factory):
    with running(tmp_path_factory.mktemp("services")) as urls:
        yield urls


def settings(urls):
    own = ("DATA_API", "PREDICTION_API", "FIRST_")
    return {**{name: value for name, value in os.environ.items() if not name.startswith(own)}, **urls}


def replayed(urls, *options):
    """What a replay against these services ends with and prints, in the process of the test."""
    return in_process.run("replay.__main__", *options, folder=ROOT, environment=settings(urls))


def replayed_by_a_process(urls, *options):
    """The same in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline.replay", *options],
        env={**settings(urls), "PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def table(done):
    """The printed scores by name: live, offline, and their difference."""
    assert done.returncode == 0, done.stderr + done.stdout
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.stdout.splitlines() if "│" in line]
    return {name: cells for name, *cells in lines}


@pytest.fixture(scope="module")
def of_events(urls):
    """The scores of a replay of some days, which begins with the look back."""
    return table(replayed_by_a_process(urls, "--days", str(DAYS)))


def test_each_flight_of_the_days_is_predicted_once_from_the_same_columns_and_with_the_same_scores(of_events):
    counts = {name: int(of_events[name][0].replace(",", "")) for name in ("predictions", "outcomes", "without outcome")}
    assert all(live == offline for live, offline, _ in of_events.values())
    assert counts["predictions"] == counts["outcomes"] + counts["without outcome"] > 2_000
    assert counts["without outcome"] > 0
    assert of_events["values of columns that differ"][-1] == "0"
    assert float(of_events["largest difference of a probability"][-1]) <= 1e-6
    assert 0.5 < float(of_events["roc_auc"][0]) < 1


def test_repeating_a_replay_changes_nothing_and_says_so(urls, of_events):
    again = replayed(urls, "--days", "1")

    assert table(again)["predictions"][0] != of_events["predictions"][0]
    assert "repeating the replay changes nothing" in again.stderr


def test_rows_are_replayed_without_a_board_and_scored_by_themselves(urls):
    first, second = (replayed({**urls, "BOARD_URL": "http://127.0.0.1:9"}, "--rows", "700") for _ in range(2))

    scores = table(first)
    assert first.stdout == second.stdout
    assert all(live == offline for live, offline, _ in scores.values())
    assert scores["outcomes"] == scores["predictions"] == ["700", "700", "0"]


def test_a_replay_of_events_without_a_board_is_refused(urls):
    done = replayed({**urls, "BOARD_URL": "http://127.0.0.1:9"}, "--days", "1")

    assert done.returncode == 1
    assert "nobody answers at http://127.0.0.1:9 (BOARD_URL). Type `make serve`" in done.stderr


@pytest.mark.long("a replay against a board whose recipe is wrong on purpose")
def test_a_board_that_reads_one_minute_too_far_is_found_out(tmp_path):
    shutil.copytree(ROOT / "src", tmp_path / "src")
    history = tmp_path / "src/pipeline/recipes/flights/history.py"
    text = history.read_text()
    assert "OBSERVED_AFTER = HOUR\n" in text
    history.write_text(text.replace("OBSERVED_AFTER = HOUR\n", "OBSERVED_AFTER = HOUR - 1\n"))

    with running(tmp_path, tmp_path / "src") as urls:
        done = replayed(urls, "--days", "1")

    assert done.returncode == 1
    assert "values of columns differ" in done.stderr
