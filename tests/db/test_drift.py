"""Drift is the population stability index of what arrived lately, against what the model that answers was trained on."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from data_api.crud import drift as counting
from data_api.drift import FLOOR, MIN_ROWS, RARE, BinCounts, psi
from db.ids import id_at
from pipeline.data import schema_json

CARRIERS = {"missing": 0.0, "shares": {"UA": 0.5, "AA": 0.3, "DL": 0.19, "HA": 0.01}}
DISTANCES = {"missing": 0.1, "edges": [100.0, 200.0, 300.0], "shares": [0.25, 0.25, 0.25, 0.25]}
PROBABILITIES = {"missing": 0.0, "edges": [0.2, 0.4], "shares": [0.5, 0.3, 0.2]}


def counted(reference, values):
    found = BinCounts(reference)
    for value in values:
        found.add(value)
    return found


def test_the_index_is_the_one_that_a_person_works_out():
    # (0.4 - 0.5) ln(0.4 / 0.5) + (0.6 - 0.5) ln(0.6 / 0.5) = 0.022314 + 0.018232
    assert psi([0.5, 0.5], [40, 60]) == pytest.approx(0.040547, abs=1e-6)
    assert psi([0.2, 0.3, 0.5], [20, 30, 50]) == pytest.approx(0, abs=1e-12)


def test_a_bin_that_one_side_leaves_empty_counts_as_the_floor():
    # (0.0001 - 0.5) ln(0.0001 / 0.5) + (1 - 0.5) ln(1 / 0.5) = 4.257745 + 0.346574
    assert psi([0.5, 0.5], [0, 100]) == pytest.approx(4.604318, abs=2e-6)
    assert psi([0.0, 1.0], [0, 100]) == 0


@pytest.mark.parametrize("seed", range(20))
def test_the_index_is_that_of_another_formula(seed):
    """Of relative entropies: KL(a, e) + KL(e, a), which is the same sum where the shares add up to one."""
    drawn = np.random.default_rng(seed)
    bins = int(drawn.integers(2, 30))
    expected, counts = drawn.dirichlet(np.ones(bins)), drawn.integers(0, 1000, bins)
    e, a = np.clip(expected, FLOOR, None), np.clip(counts / counts.sum(), FLOOR, None)

    wanted = np.sum(a * (np.log(a) - np.log(e))) + np.sum(e * (np.log(e) - np.log(a)))
    assert psi(expected.tolist(), counts.tolist()) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("numbers", ["float32", "float64", "few"])
def test_rows_like_those_of_training_have_next_to_none_and_moved_ones_have_much(numbers):
    drawn = np.random.default_rng(1)
    table = drawn.normal(1000, 10, (2, 20_000))
    train, now = {"float32": table.astype("float32"), "float64": table, "few": np.round(table / 5) * 5}[numbers]
    reference = schema_json.reference_distribution(pd.Series(train))

    assert counted(reference, now.astype(float).tolist()).index() < 0.01
    assert counted(reference, (now.astype(float) + 10).tolist()).index() > 0.25


def test_categories_like_those_of_training_have_next_to_none_and_others_have_much():
    drawn = np.random.default_rng(2)
    names = np.array([f"airport {n}" for n in range(80)])
    shares = 1 / np.arange(1, 81)
    train, now = drawn.choice(names, (2, 20_000), p=shares / shares.sum())
    reference = schema_json.reference_distribution(pd.Series(train))

    assert counted(reference, now.tolist()).index() < 0.01
    assert counted(reference, now[:MIN_ROWS].tolist()).index() < 0.25
    assert counted(reference, [name if len(name) % 2 else "airport 1" for name in now]).index() > 0.25


def test_a_value_that_equals_an_edge_is_below_it_in_single_precision_too():
    edges = {"missing": 0.0, "edges": [1008.2], "shares": [0.5, 0.5]}

    assert counted(edges, [1008.2, float(np.float32(1008.2)), 1008.3]).counts == [0, 2, 1]


def test_what_is_missing_is_a_bin_and_so_is_what_training_never_saw_or_rarely():
    assert CARRIERS["shares"]["HA"] < RARE
    assert counted(CARRIERS, ["UA", "AA", "DL", "HA", "new", None, 7, ["x"]]).counts == [1, 1, 1, 1, 4]
    assert BinCounts(CARRIERS).expected == pytest.approx([0, 0.5, 0.3, 0.19, 0.01])
    assert counted(DISTANCES, [50, 100.0, 150, 1e9, None, "far"]).counts == [2, 2, 1, 0, 1]
    assert BinCounts(DISTANCES).expected == pytest.approx([0.1, 0.225, 0.225, 0.225, 0.225])
    assert BinCounts({"missing": 1.0, "shares": {}}).expected == [1.0, 0.0]


def test_of_few_rows_there_is_none():
    assert counted(CARRIERS, ["UA"] * (MIN_ROWS - 1)).index() is None
    assert counted(CARRIERS, ["UA"] * MIN_ROWS).index() > 0.25


@pytest.fixture
def tell(client, as_service):
    """A function that tells the service what a model was trained on."""

    def put(version="one", probability=PROBABILITIES, **columns):
        reference = {"columns": columns or {"carrier": CARRIERS, "distance": DISTANCES}, "probability": probability}
        content = {"model_name": "ontime", "reference": reference}
        answer = client.put(f"/models/{version}", json=content, headers=as_service)
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"model_version": version, "question": None, "tables": None, **content}

    return put


@pytest.fixture
def record(client, as_service, prediction):
    """A function that records so many predictions made so long ago."""

    def send(count, ago=timedelta(0), probability=0.1, **changes):
        rows = [
            prediction(prediction_id=id_at(datetime.now(UTC) - ago), probability=probability, **changes)
            for _ in range(count)
        ]
        assert client.post("/predictions", json={"predictions": rows}, headers=as_service).status_code == 201

    return send


@pytest.fixture
def shown(client):
    """A function that works drift out anew and gives what /metrics shows of it."""

    def read():
        client.app.state.service.refresh_drift()
        lines = (
            line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if "drift" in line and line[0] != "#"
        )
        return {name.removeprefix("data_api_"): float(value) for name, value in lines}

    return read


def test_the_metrics_show_the_drift_of_each_column_and_of_the_probability_by_window(tell, record, shown):
    tell()
    record(300, timedelta(hours=20), features={"carrier": "new", "distance": None})
    record(200, features={"carrier": "UA", "distance": 50.0})

    found = shown()
    assert found.pop("drift_refreshed_timestamp_seconds") == pytest.approx(datetime.now(UTC).timestamp(), abs=60)
    assert found == {
        'drift_psi{column="carrier",window="6h"}': pytest.approx(psi([0, 0.5, 0.3, 0.19, 0.01], [0, 200, 0, 0, 0])),
        'drift_psi{column="carrier",window="72h"}': pytest.approx(psi([0, 0.5, 0.3, 0.19, 0.01], [0, 200, 0, 0, 300])),
        'drift_psi{column="distance",window="6h"}': pytest.approx(psi([0.1, *[0.225] * 4], [0, 200, 0, 0, 0])),
        'drift_psi{column="distance",window="72h"}': pytest.approx(psi([0.1, *[0.225] * 4], [300, 200, 0, 0, 0])),
        'probability_drift_psi{window="6h"}': pytest.approx(psi([0, 0.5, 0.3, 0.2], [0, 200, 0, 0])),
        'probability_drift_psi{window="72h"}': pytest.approx(psi([0, 0.5, 0.3, 0.2], [0, 500, 0, 0])),
        'drift_rows{window="6h"}': 200,
        'drift_rows{window="72h"}': 500,
    }


def test_of_few_rows_the_metrics_show_their_number_alone(tell, record, shown):
    tell()
    record(MIN_ROWS - 1, features={"carrier": "UA"})

    assert set(shown()) == {'drift_rows{window="6h"}', 'drift_rows{window="72h"}', "drift_refreshed_timestamp_seconds"}


def test_what_leaves_the_window_leaves_the_metrics(tell, record, shown, monkeypatch):
    tell()
    record(MIN_ROWS, features={"carrier": "UA", "distance": 50.0})
    assert 'drift_psi{column="carrier",window="72h"}' in shown()

    later = datetime.now(UTC) + timedelta(hours=7)
    monkeypatch.setattr("data_api.app_state.datetime", type("Later", (), {"now": lambda _zone: later}))
    assert 'drift_psi{column="carrier",window="6h"}' not in shown()
    assert shown()['drift_rows{window="72h"}'] == MIN_ROWS
    later += timedelta(hours=72)
    assert set(shown()) == {"drift_refreshed_timestamp_seconds"}


def test_drift_is_that_of_the_version_that_answered_last(tell, record, shown):
    tell("old")
    tell("new", probability=None, carrier=CARRIERS)
    record(MIN_ROWS, timedelta(hours=1), model_version="old", features={"carrier": "AA"})
    assert shown()['drift_rows{window="6h"}'] == MIN_ROWS

    record(MIN_ROWS + 1, model_version="new", features={"carrier": "AA"})
    found = shown()
    assert found['drift_rows{window="6h"}'] == MIN_ROWS + 1
    assert not [name for name in found if "distance" in name or "probability" in name]


def test_a_version_that_nobody_told_of_has_no_drift(tell, record, shown):
    tell("another")
    record(MIN_ROWS)

    assert set(shown()) == {"drift_refreshed_timestamp_seconds"}


@pytest.mark.parametrize("more", [1, MIN_ROWS - 3, MIN_ROWS, 3 * MIN_ROWS])
def test_of_more_rows_than_are_read_those_count_that_lie_evenly(tell, record, shown, monkeypatch, more):
    monkeypatch.setattr(counting, "MAX_ROWS", MIN_ROWS)
    monkeypatch.setattr(counting, "FETCHED_AT_ONCE", 7)
    tell()
    record(more, timedelta(hours=5), features={"carrier": "new"})
    record(MIN_ROWS, features={"carrier": "AA"})

    old = MIN_ROWS * more // (MIN_ROWS + more)
    assert shown()['drift_rows{window="6h"}'] == MIN_ROWS
    assert shown()['drift_psi{column="carrier",window="72h"}'] == pytest.approx(
        psi([0, 0.5, 0.3, 0.19, 0.01], [0, 0, MIN_ROWS - old, 0, old])
    )


def test_drift_is_worked_out_soon_after_the_start(make_client):
    client = make_client()

    def refreshed():
        return client.app.state.service.metrics.registry.get_sample_value("data_api_drift_refreshed_timestamp_seconds")

    until = datetime.now(UTC) + timedelta(seconds=10)
    while not refreshed():
        assert datetime.now(UTC) < until


def test_the_last_word_of_a_model_counts(tell, record, shown):
    tell(carrier=CARRIERS)
    tell(distance=DISTANCES)
    record(MIN_ROWS)

    assert {name for name in shown() if "column" in name} == {
        f'drift_psi{{column="distance",window="{window}"}}' for window in ("6h", "72h")
    }


@pytest.mark.parametrize(
    ("reference", "field"),
    [
        ({"missing": 2.0, "shares": {}}, "reference.columns.x"),
        ({"missing": 0.0, "edges": [1.0], "shares": [1.0]}, "reference.columns.x"),
        ({"missing": 0.0, "edges": [2.0, 1.0], "shares": [0.2, 0.3, 0.5]}, "reference.columns.x"),
        ({"missing": 0.0}, "reference.columns.x"),
    ],
)
def test_a_reference_that_is_none_is_refused_by_column(client, as_service, reference, field):
    content = {"model_name": "ontime", "reference": {"columns": {"x": reference}, "probability": None}}
    answer = client.put("/models/one", json=content, headers=as_service)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith(field)


def test_a_reader_tells_nothing_of_a_model(client, as_reader):
    content = {"model_name": "ontime", "reference": {"columns": {}, "probability": None}}

    assert client.put("/models/one", json=content, headers=as_reader).status_code == 403


def test_a_category_may_hold_anything(tell, record, shown):
    tell(**{'a "column"': {"missing": 0.0, "shares": {"": 0.5, "a\0b": 0.5}}})
    record(MIN_ROWS, features={'a "column"': "a\0b"})

    assert shown()['drift_psi{column="a \\"column\\"",window="6h"}'] > 0.25
