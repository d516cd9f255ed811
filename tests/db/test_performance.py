"""The live scores are those of scikit-learn on the same rows."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from prometheus_client import generate_latest
from sklearn.metrics import average_precision_score, brier_score_loss, precision_score, recall_score, roc_auc_score

from data_api.metrics import SCORES, Metrics

EXACT = {"rel": 1e-12, "abs": 1e-12}
UNDEFINED = {
    "label_rate", "outcome_rate", "roc_auc", "average_precision", "precision", "recall", "brier_score",
    "brier_standard_error", "calibration_error",
}  # fmt: skip


@pytest.fixture
def record(client, as_service, prediction):
    """A function that records predictions of these probabilities, with outcomes where these are not None."""

    def send(probabilities, outcomes, **changes):
        rows = [prediction(probability=p, label=p >= 0.5, **changes) for p in probabilities]
        assert client.post("/predictions", json={"predictions": rows}, headers=as_service).status_code == 201
        known = [
            {"prediction_id": row["prediction_id"], "outcome": bool(y)}
            for row, y in zip(rows, outcomes, strict=True)
            if y is not None
        ]
        if known:
            assert client.post("/outcomes", json={"outcomes": known}, headers=as_service).status_code == 201
        return rows

    return send


@pytest.fixture
def performance(client, as_reader):
    def ask(**query):
        answer = client.get("/performance", params=query, headers=as_reader)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


def drawn(count, seed, values=20):
    """Probabilities with many ties, and outcomes that they are right about."""
    random = np.random.default_rng(seed)
    probability = random.integers(0, values, count) / values
    return probability.tolist(), (random.random(count) < probability).tolist()


def sklearn_scores(probability, outcome):
    return {
        "roc_auc": roc_auc_score(outcome, probability),
        "average_precision": average_precision_score(outcome, probability),
        "brier_score": brier_score_loss(outcome, probability),
        "precision": precision_score(outcome, np.asarray(probability) >= 0.5),
        "recall": recall_score(outcome, np.asarray(probability) >= 0.5),
        "outcome_rate": np.mean(outcome),
        "label_rate": np.mean(np.asarray(probability) >= 0.5),
    }


@pytest.mark.parametrize(("count", "values"), [(2, 1000), (300, 20), (1000, 100_000)])
def test_the_scores_are_those_of_scikit_learn(record, performance, count, values):
    p, y = drawn(count, seed=count, values=values) if count > 2 else ([0.2, 0.9], [False, True])
    record(p, y)

    overall = performance()["overall"]

    assert {name: overall[name] for name in sklearn_scores(p, y)} == pytest.approx(sklearn_scores(p, y), **EXACT)
    assert (overall["predictions"], overall["outcomes"], overall["coverage"]) == (count, count, 1)


def test_only_predictions_whose_outcome_is_known_are_scored(record, performance):
    p, y = drawn(100, seed=1)
    record(p, y)
    record([0.99] * 50, [None] * 50)

    overall = performance()["overall"]

    assert (overall["predictions"], overall["outcomes"]) == (150, 100)
    assert overall["coverage"] == pytest.approx(2 / 3)
    assert overall["label_rate"] == pytest.approx(np.mean(np.asarray(p) >= 0.5))
    assert overall["roc_auc"] == pytest.approx(roc_auc_score(y, p), **EXACT)


def test_groups_are_scored_by_themselves(record, performance):
    rows = {version: drawn(120, seed=seed) for seed, version in enumerate(("one", "two", "none yet"))}
    for version, (p, y) in rows.items():
        record(
            p,
            y if version != "none yet" else [None] * 120,
            model_version=version,
            caller=None if version == "two" else "web",
        )

    found = {group["group"]: group for group in performance(by="model_version")["groups"]}
    assert list(found) == ["none yet", "one", "two"]
    for version in ("one", "two"):
        scores = sklearn_scores(*rows[version])
        assert {name: found[version][name] for name in scores} == pytest.approx(scores, **EXACT)
    assert found["none yet"]["outcomes"] == 0
    assert {name for name, value in found["none yet"].items() if value is None} == UNDEFINED | {"question"}
    by_caller = performance(by="caller")["groups"]
    assert [(group["group"], group["predictions"]) for group in by_caller] == [("web", 240), (None, 120)]
    assert performance()["groups"] == []


def test_a_group_of_days_is_a_day_in_utc(record, performance):
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for moment in (midnight - timedelta(microseconds=1), midnight):
        record([0.5], [True], time=moment.isoformat(), prediction_id=id_of(moment))

    days = performance(
        by="day", since=(midnight - timedelta(days=2)).isoformat(), until=(midnight + timedelta(days=1)).isoformat()
    )

    assert [group["group"] for group in days["groups"]] == [str((midnight - timedelta(days=1)).date()), str(midnight.date())]


def id_of(moment):
    text = f"{int(moment.timestamp() * 1000):012x}70008000000000000000"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def test_of_one_class_alone_there_is_no_ranking(record, performance):
    record([0.25, 0.75], [True, True])

    overall = performance()["overall"]

    assert (overall["roc_auc"], overall["average_precision"]) == (None, None)
    assert overall["brier_score"] == pytest.approx((0.75**2 + 0.25**2) / 2)


def test_of_nothing_there_are_counts_and_no_scores(performance):
    overall = performance()["overall"]

    assert (overall["predictions"], overall["outcomes"], overall["calibration"]) == (0, 0, [])
    assert {name for name, value in overall.items() if value is None} == UNDEFINED | {"coverage"}


def test_bins_of_calibration_hold_equally_many_from_the_lowest_to_the_highest(record, performance):
    record([0.1, 0.2, 0.3, 0.6, 0.8], [False, True, False, True, True])

    overall = performance(bins=2)["overall"]

    low, high = overall["calibration"]
    assert [low["rows"], high["rows"]] == [3, 2]
    assert (low["predicted"], low["observed"]) == pytest.approx((0.2, 1 / 3))
    assert (high["predicted"], high["observed"]) == pytest.approx((0.7, 1.0))
    assert overall["calibration_error"] == pytest.approx((abs(0.6 - 1) + abs(1.4 - 2)) / 5)


def test_bins_of_calibration_may_hold_equal_ranges_of_probability(record, performance):
    p, y = drawn(300, seed=1, values=40)
    record([*p, 1.0, 0.3], [*y, True, False])
    expected = np.digitize([*p, 1.0, 0.3], np.arange(1, 10) / 10)

    rows = performance(bins=10, calibration="equal_widths")["overall"]["calibration"]

    assert [row["rows"] for row in rows] == np.bincount(expected, minlength=10).tolist()
    assert [int(10 * row["predicted"]) for row in rows] == list(range(10))
    whole = performance(bins=10)["overall"]
    equal = performance(bins=10, calibration="equal_widths")["overall"]
    assert equal["roc_auc"] == pytest.approx(whole["roc_auc"], **EXACT)


def test_empty_ranges_of_probability_have_no_row(record, performance):
    record([0.05, 0.95, 0.96], [False, True, False])

    rows = performance(bins=10, calibration="equal_widths")["overall"]["calibration"]

    assert [(row["rows"], row["observed"]) for row in rows] == [(1, 0.0), (2, 0.5)]


def test_the_standard_error_of_the_brier_score_is_that_of_the_mean_of_squared_errors(record, performance):
    p, y = drawn(50, seed=3)
    record(p, y)
    errors = (np.array(p) - np.array(y)) ** 2

    overall = performance()["overall"]

    assert overall["brier_standard_error"] == pytest.approx(errors.std(ddof=1) / np.sqrt(50), rel=1e-9)


def test_one_prediction_has_no_standard_error(record, performance):
    record([0.25], [True])

    assert performance()["overall"]["brier_standard_error"] is None


def test_a_window_is_a_time_before_now_or_before_until(record, performance):
    now = datetime.now(UTC)
    for ago in (timedelta(minutes=1), timedelta(hours=2), timedelta(days=3)):
        record([0.5], [True], time=(now - ago).isoformat(), prediction_id=id_of(now - ago))

    assert performance()["overall"]["predictions"] == 2
    assert performance(window="90m")["overall"]["predictions"] == 1
    assert performance(window="1w")["overall"]["predictions"] == 3
    assert performance(window="1d", until=(now - timedelta(hours=1)).isoformat())["overall"]["predictions"] == 1
    assert performance(since=(now - timedelta(days=4)).isoformat())["overall"]["predictions"] == 3


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"window": "24"}, "window"),
        ({"window": "0h"}, "window"),
        ({"window": "1h", "since": "2026-01-01T00:00:00Z"}, "window"),
        ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "until"),
        ({"since": "2026-01-02T00:00:00"}, "since"),
        ({"by": "carrier"}, "by"),
        ({"bins": "0"}, "bins"),
        ({"bins": "1000"}, "bins"),
    ],
)
def test_a_question_that_means_nothing_is_refused_by_field(client, as_reader, query, field):
    answer = client.get("/performance", params=query, headers=as_reader)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def test_a_window_that_reaches_before_all_time_is_empty_before_it(record, performance):
    record([0.5], [True])

    assert performance(since="0001-01-01T00:00:00Z")["overall"]["predictions"] == 1
    assert performance(window="9999w")["overall"]["predictions"] == 1
    assert performance(window="9999w", until="0099-01-01T00:00:00Z")["overall"]["predictions"] == 0


def test_the_live_scores_are_in_the_metrics(client, record):
    p, y = drawn(200, seed=3)
    record(p, y, model_version='a "version"')
    record([0.3], [None], model_version="two")
    client.app.state.service.refresh_live()

    lines = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if line[0] != "#")

    assert float(lines['data_api_live_score{score="roc_auc",version="a \\"version\\""}']) == pytest.approx(
        roc_auc_score(y, p)
    )
    assert lines['data_api_live_predictions{version="all"}'] == "201.0"
    assert float(lines['data_api_outcome_coverage{version="all"}']) == pytest.approx(200 / 201)
    assert lines['data_api_outcome_coverage{version="two"}'] == "0.0"
    assert 'data_api_live_score{score="roc_auc",version="two"}' not in lines


NO_SCORES = dict.fromkeys(("coverage", *SCORES)) | {"predictions": 1}


def test_a_scrape_sees_the_live_scores_of_one_moment():
    metrics, seen = Metrics(), []

    class Peeking(dict):
        def items(self):
            seen.append(generate_latest(metrics.registry).decode())
            return super().items()

    metrics.live({"one": NO_SCORES}, 1.0)
    metrics.live(Peeking({"two": NO_SCORES}), 2.0)

    assert 'data_api_live_predictions{version="one"} 1.0' in seen[0]
    after = generate_latest(metrics.registry).decode()
    assert 'version="two"' in after
    assert 'version="one"' not in after


def test_a_version_that_is_called_all_is_shown_beside_all(client, as_service, prediction):
    rows = [prediction(model_version="all"), prediction(model_version="one")]
    client.post("/predictions", json={"predictions": rows}, headers=as_service)
    client.app.state.service.refresh_live()

    lines = client.get("/metrics").text
    assert 'data_api_live_predictions{version="all"} 2.0' in lines
    assert 'data_api_live_predictions{version="all (a version)"} 1.0' in lines


def test_the_scores_of_one_version_alone(client, as_service, as_reader, prediction):
    rows = [prediction(model_version=name) for name in ("one", "two", "two")]
    client.post("/predictions", json={"predictions": rows}, headers=as_service)

    found = client.get("/performance?model_version=two&by=model_version", headers=as_reader).json()
    assert found["overall"]["predictions"] == 2
    assert [group["group"] for group in found["groups"]] == ["two"]


@pytest.fixture
def report(client, as_service):
    """A function that reports what a version of a model predicts."""

    def put(version, name="ontime", question=None):
        content = {"model_name": name, "question": question, "reference": {"columns": {}, "probability": None}}
        assert client.put(f"/models/{version}", json=content, headers=as_service).status_code == 200

    return put


def test_models_that_answer_different_questions_are_not_scored_together(record, report, performance):
    """Two versions answer one question, a third another one about the same data set, a fourth one about another data set."""
    p, y = drawn(200, seed=5)
    report("a", question="late is 15")
    report("b", question="late is 15")
    report("c", question="late is 30")
    record(p[:60], y[:60], model_version="a", caller="web")
    record(p[60:100], y[60:100], model_version="b")
    assert performance()["overall"]["roc_auc"] == pytest.approx(roc_auc_score(y[:100], p[:100]), **EXACT)
    assert performance()["groups"] == []

    record(p[100:150], y[100:150], model_version="c")
    record(p[150:], [*y[150:199], None], model_version="d", model_name="income")
    found = performance()

    counts = {"predictions": 200, "outcomes": 199, "coverage": 199 / 200, "calibration": []}
    assert found["overall"] == counts | dict.fromkeys(UNDEFINED)
    parts = {
        ("income", None): slice(150, 199),
        ("ontime", "late is 15"): slice(0, 100),
        ("ontime", "late is 30"): slice(100, 150),
    }
    assert [(group["model_name"], group["question"]) for group in found["groups"]] == list(parts)
    for group, part in zip(found["groups"], parts.values(), strict=True):
        assert group["group"] is None
        assert group["roc_auc"] == pytest.approx(roc_auc_score(y[part], p[part]), **EXACT)

    by_caller = performance(by="caller")["groups"]
    assert [(group["question"], group["group"], group["predictions"]) for group in by_caller] == [
        (None, None, 50), ("late is 15", "web", 60), ("late is 15", None, 40), ("late is 30", None, 50),
    ]  # fmt: skip
    of_c = performance(model_version="c")
    assert of_c["overall"]["roc_auc"] == pytest.approx(roc_auc_score(y[100:150], p[100:150]), **EXACT)


def test_live_scores_of_all_versions_are_those_of_one_question(client, record, report):
    p, y = drawn(40, seed=6)
    record(p, y, model_version="a")
    record(p, y, model_version="b", model_name="income")
    service = client.app.state.service

    service.refresh_live()

    value = service.metrics.registry.get_sample_value
    assert value("data_api_live_score", {"score": "roc_auc", "version": "all"}) is None
    assert value("data_api_live_score", {"score": "roc_auc", "version": "a"}) is not None
    assert value("data_api_live_predictions", {"version": "all"}) == 80
    assert value("data_api_outcome_coverage", {"version": "all"}) == 1
