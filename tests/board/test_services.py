"""The board with real services and the real model: each flight has one official prediction, though services are killed."""

import json
import os
import subprocess
import sys
from collections import Counter

import httpx
import numpy as np
import onnxruntime
import pandas as pd
import pytest

from contract.live_services import Services, needs_model
from contract.processes import ROOT
from pipeline.config.paths import MODEL
from pipeline.data import model_inputs
from service_processes import until
from serving.conftest import write_model

pytestmark = needs_model
BATCH, SECONDS = 1000, 120
KILLS = {"board": (2, 5, 8, 9, 12), "prediction": (6, 10)}  # after which batches of events
KEY_COLUMNS = ("year", "month", "day", "carrier", "flight", "origin")


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory, log, since):
    """Services that were sent all events while the board and the prediction service were killed; all is done."""
    days = (since - log[0][1].known_at).total_seconds() / 86_400
    with Services(tmp_path_factory.mktemp("services"), MODEL, WARM_UP_DAYS=str(days)) as services:
        events = [event for _, event in log]
        until(lambda: services.client.post("/events", json={"events": [events[0].as_json()]}).status_code == 201, SECONDS)
        for batch, start in enumerate(range(0, len(events), BATCH)):
            services.send(events[start : start + BATCH])
            for name, batches in KILLS.items():
                if batch in batches:
                    getattr(services, name).kill()
                    getattr(services, name).start()
        services.wait_until_done(SECONDS)
        yield services


@pytest.fixture(scope="module")
def official(disturbed):
    return disturbed.official()


@pytest.fixture(scope="module")
def expected(raw, offline, log, since):
    """The rows whose moment is from ``since`` to before the watermark, by subject."""
    moments = pd.to_datetime(offline["moment"] * 60, unit="s", utc=True)
    rows = offline.index[(moments >= since) & (moments < log[-1][1].known_at)]
    keys = raw["flights"].loc[rows, list(KEY_COLUMNS)].astype(object).to_dict("records")
    return {json.dumps(key, separators=(",", ":")): row for key, row in zip(keys, rows, strict=True)}


def test_each_flight_has_one_official_prediction_cancelled_ones_too(official, expected):
    assert Counter(prediction["subject"] for prediction in official) == Counter(expected.keys())


def test_features_equal_those_of_the_pipeline_to_the_last_bit_and_probabilities_to_a_millionth(
    official, expected, offline, data
):
    theirs = offline.loc[[expected[prediction["subject"]] for prediction in official]].reset_index(drop=True)

    for name, column in data.columns.items():
        ours = [prediction["features"][name] for prediction in official]
        if column.kind == "number":
            np.testing.assert_array_equal(np.array(ours, np.float32), theirs[name].to_numpy(np.float32), name)
        elif column.kind == "category":
            assert ours == theirs[name].tolist()
        else:
            assert ours == theirs[name].dt.strftime("%Y-%m-%dT%H:%M:%S").tolist()
    session = onnxruntime.InferenceSession(MODEL / "model.onnx")
    packed = model_inputs.to_arrays(model_inputs.pack(theirs, data.columns), data.columns)
    probabilities = session.run(None, packed)[0].reshape(len(theirs), -1)[:, -1]
    np.testing.assert_allclose([prediction["probability"] for prediction in official], probabilities, atol=1e-6)


def test_outcomes_come_from_the_log_and_flights_that_did_not_arrive_have_none(official, expected, raw, options):
    delays = raw["flights"].loc[[expected[prediction["subject"]] for prediction in official], "arr_delay"]

    outcomes = [None if np.isnan(delay) else bool(delay >= options.late_minutes) for delay in delays]
    assert [prediction["outcome"] for prediction in official] == outcomes
    assert None in outcomes


def test_people_ask_about_a_flight_and_get_what_the_official_prediction_said(disturbed, official):
    asked = official[100]

    answer = httpx.post(
        f"{disturbed.board.url}/predictions", json={"flight": json.loads(asked["subject"])}, timeout=30
    )  # fmt: skip

    assert answer.status_code == 200, answer.text
    assert answer.json()["probability"] == asked["probability"]
    assert answer.json()["official"]["prediction_id"] == asked["prediction_id"]
    assert answer.json()["prediction_id"] != asked["prediction_id"]


def test_a_flight_that_is_not_in_the_log_is_refused_with_what_would_be_right(disturbed):
    answer = httpx.post(f"{disturbed.board.url}/predictions", json={"flight": {"carrier": "UAA"}}, timeout=30)

    assert answer.status_code == 404
    assert "UA" in answer.json()["detail"]


def test_the_audit_finds_nothing_and_says_so(disturbed, official, log):
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'serving'}"}
    command = [sys.executable, "-m", "board", "audit", "--since", "2013-09-01"]

    done = subprocess.run(command, env={**known, **disturbed.settings}, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"The features of 0 of {len(official):,} official predictions differ from the log")


def test_a_model_whose_columns_do_not_come_from_events_leaves_the_board_healthy(tmp_path):
    with Services(tmp_path / "services", write_model(tmp_path / "model")) as services:
        services.board.wait_until_ready()

        assert "do not come from events" in services.checks()["log"]["state"]
        assert httpx.get(f"{services.board.url}/healthz").status_code == 200
        assert httpx.get(f"{services.board.url}/upcoming").status_code == 409
