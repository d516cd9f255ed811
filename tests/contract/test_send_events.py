"""The page about real data: its file of ten lines is sent as it stands, and the board answers about a flight in it."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from contract.live_services import needs_model, running
from contract.processes import ROOT

PAGE = Path("data/README.md").read_text()
(CSV,) = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
SECTION = PAGE[PAGE.index("## Real data") :]
COMMANDS = re.search(r"```sh\n(.*?)```", SECTION, re.DOTALL)[1].splitlines()
pytestmark = needs_model


@pytest.fixture(scope="module")
def urls(tmp_path_factory):
    with running(tmp_path_factory.mktemp("services")) as urls:
        yield urls


def run(urls, *words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **urls}
    command = [sys.executable, "-m", "pipeline.send_events", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def sent(urls, *words):
    done = run(urls, *words)
    assert done.returncode == 0, done.stderr
    return done


def until_answered(url, body):
    for _ in range(200):
        answer = httpx.post(url, json=body, timeout=20)
        if answer.status_code == 200:
            return answer.json()
        time.sleep(0.1)
    pytest.fail(answer.text)


def test_the_file_of_the_page_is_sent_and_a_flight_in_it_is_predicted(urls, tmp_path):
    mine = tmp_path / "mine.csv"
    mine.write_text(CSV)
    for command in COMMANDS:
        if "-m pipeline.send_events" in command:
            sent(urls, *shlex.split(command)[3:])

    first, again = (sent(urls, str(mine), "--table", "flights").stdout for _ in range(2))
    body = re.search(r"-d '(.*?)'", COMMANDS[-1])[1]
    answer = until_answered(f"{urls['BOARD_URL']}/predictions", json.loads(body))

    assert len(CSV.splitlines()) == 10
    assert first == "9 new events of flights, 0 known before\n"
    assert again == "0 new events of flights, 9 known before\n"
    assert answer["flight"]["origin"] == "LGA"
    assert 0 < answer["probability"] < 1
    assert answer["as_of"] == "2026-11-26T12:00:00Z"
    assert answer["features"]["departure_delay_origin_3h"] == -4
    assert answer["features"]["humidity"] is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ((",2026,11,26,B6,725,JFK,,,,,,,,13,", ",2026,11,26,B6,725,JFK,,,,,,,,5000,"), "row 7, dep_delay: .* got 5000"),
        ((",2026,11,26,DL,461,LGA,,,,,,,,-4,", ",2026,13,26,DL,461,BOS,,,,,,,,-4,"), "row 6, month: .*row 6, origin: "),
    ],
)
def test_the_data_service_names_faults_and_the_command_their_rows_and_columns(urls, tmp_path, changed, message):
    mine = tmp_path / "mine.csv"
    mine.write_text(CSV.replace(*changed))

    done = run(urls, str(mine), "--table", "flights")

    assert done.returncode == 1
    assert re.search(message, done.stderr), done.stderr
