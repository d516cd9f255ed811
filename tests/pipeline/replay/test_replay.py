"""A replay sends predictions and outcomes to both services in the order of time, and compares their scores."""

import itertools
import json
import shutil
import sys
import threading
import uuid
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest
import yaml

import in_process
from conftest import COLUMNS
from pipeline.clients import services
from pipeline.clients.services import ServiceRejected, ServiceUnavailable
from pipeline.config.parsing import dump_settings, parse_settings
from pipeline.config.settings import Column, Dataset, Target, TimeSplit
from pipeline.data import model_inputs, schema_json, table_io
from pipeline.evaluation import metrics
from pipeline.files.digests import sha256
from pipeline.modeling import artifact, onnx_export
from pipeline.replay import __main__ as replay
from pipeline.replay import batches, comparison, playback
from pipeline.replay.comparison import ScoresDiffer
from pipeline.replay.playback import PredictionsMissing
from pipeline.replay.preconditions import ReplayImpossible
from ports import free_port

LOST = -1  # instead of a status: the connection breaks off
MOMENT = 1_700_000_000_000  # the millisecond of the first prediction
RANDOM = {"by": "random", "test_share": 0.25, "seed": 1}
BY_TIME = {"by": "time", "column": "moment", "test_from": "2012-02-27"}


class Fake:
    """Both services at once, over real HTTP, on a model directory; a test bends them by their attributes."""

    def __init__(self, columns):
        self.columns = columns
        self.asked = []  # (route, number of rows, the rest) in the order of the requests
        self.predictions, self.outcomes = {}, {}
        self.busy, self.lost, self.others, self.delivery = 0, 0, 0, "ok"
        self.model_sha256 = {
            name: sha256(Path("data/model") / name) for name in ("model.onnx", "schema.json", "metadata.json")
        }
        self.retry_after = "0"
        self.bend = lambda group: group
        self.version = lambda number: "v1"
        self.lock = threading.Lock()

    def answer(self, method, path, query, headers, body):
        if self.busy and path in {"/predict", "/predict/batch", "/outcomes"}:
            self.busy -= 1
            self.asked.append(("busy", 0, path))
            return 503, {"detail": "The outbox is full."}
        return getattr(self, f"{method}_{path.strip('/').replace('/', '_')}".lower())(query, headers, body)

    def get_model(self, query, headers, body):
        return 200, {"version": "v1", "sha256": self.model_sha256}

    def get_readyz(self, query, headers, body):
        return 200, {"checks": {"outbox": {"delivery": self.delivery}}}

    def post_token(self, query, headers, body):
        wrong = parse_qs(body)["password"] != ["development"]
        return (401, {"detail": "The password is wrong."}) if wrong else (200, {"access_token": "a-token"})

    def post_predict_batch(self, query, headers, body):
        records = json.loads(body)["records"]
        frame = pd.DataFrame(records, columns=list(self.columns)).astype({"moment": "datetime64[s]"})
        frame[["size", "weight"]] = frame[["size", "weight"]].astype("float32")
        packed = model_inputs.to_arrays(model_inputs.pack(frame, self.columns), self.columns)
        found = artifact.probability(artifact.session(Path("data/model/model.onnx")), packed)
        self.asked.append(("predict", len(records), records))
        answers = []
        for probability in found.tolist():
            number = len(self.predictions)
            name = str(uuid.UUID(int=(MOMENT + number // 10 << 80) | 7 << 76 | 2 << 62 | number))
            answers.append({"prediction_id": name, "probability": probability, "model_version": self.version(number)})
            self.predictions[name] = answers[-1]
        return 200, {"predictions": answers}

    def post_predict(self, query, headers, body):
        status, found = self.post_predict_batch(query, headers, json.dumps({"records": [json.loads(body)]}))
        return status, found["predictions"][0] if status == 200 else found

    def post_outcomes(self, query, headers, body):
        assert headers["x-api-key"] == services.SETTINGS["DATA_API_KEY"][0]
        told = {one["prediction_id"]: one["outcome"] for one in json.loads(body)["outcomes"]}
        self.asked.append(("outcomes", len(told), told))
        self.outcomes |= told
        return 201, {"recorded": len(told), "known": 0}

    def get_performance(self, query, headers, body):
        assert headers["authorization"] == "Bearer a-token"
        since, until = (pd.Timestamp(query[name][0]).timestamp() * 1000 for name in ("since", "until"))
        self.asked.append(("performance", 0, query))
        names = [name for name in sorted(self.predictions) if since <= uuid.UUID(name).int >> 80 < until]
        names = names[: len(names) - self.lost]
        groups = {self.predictions[name]["model_version"]: [] for name in names}
        for name in names:
            groups[self.predictions[name]["model_version"]].append(name)
        found = [{"group": version, **self.group(part, query)} for version, part in groups.items()]
        return 200, {"overall": self.bend(self.group(names, query)), "groups": found}

    def group(self, names, query):
        known = [name for name in names if name in self.outcomes]
        truth = np.array([self.outcomes[name] for name in known])
        probability = np.array([self.predictions[name]["probability"] for name in known])
        found = metrics.scores(metrics.RankedScores.from_scores(truth, probability, 0.4, int(query["bins"][0])))
        if len(set(truth.tolist())) < 2:
            found |= {"roc_auc": None, "average_precision": None}
        rates = {"label_rate": float((probability >= 0.4).mean()), "outcome_rate": float(truth.mean())}
        counts = {"predictions": len(names) + self.others, "outcomes": len(known)}
        return {**found, **rates, **counts, "brier_score": found["brier"]}


@contextmanager
def listening(fake):
    class Handler(BaseHTTPRequestHandler):
        protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

        def respond(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            address = urlsplit(self.path)
            with fake.lock:
                status, said = fake.answer(self.command, address.path, parse_qs(address.query), headers, body)
            if status == LOST:
                self.close_connection = True
                return
            text = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            if status == 503 and fake.retry_after is not None:
                self.send_header("retry-after", fake.retry_after)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = respond

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def test_rows(rows):
    """Rows in the order of their time."""
    return rows.dropna(subset=["moment"]).sort_values("moment", kind="stable", ignore_index=True)


@pytest.fixture(scope="session")
def graph(fitted):
    return onnx_export.to_graph(fitted("hgb").model, COLUMNS)


@pytest.fixture
def place(tmp_path, monkeypatch, values, columns, graph, rows, test_rows):
    """A folder with a model and a function that writes a test table and how it was split."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["replay"])
    for name in services.SETTINGS:
        monkeypatch.delenv(name, raising=False)
    Path("params.yaml").write_text(yaml.safe_dump(values))
    Path("data/processed/test").mkdir(parents=True)

    def write(table=test_rows, split=BY_TIME):
        how = parse_settings(Dataset, {"name": "x", "target": {"name": "good"}, "columns": {}, "split": split}).split
        data = Dataset("things", Target("good"), columns, how)
        table_io.write(table, Path("data/processed/test/000000.parquet"))
        Path("data/processed/dataset.json").write_text(dump_settings(data))
        metadata = {"name": "things", "threshold": 0.4, "data": {}, "parameters": {}, "versions": {}, "question": {}}
        artifact.write(Path("data/model"), graph, schema_json.describe(data, rows), metadata)
        return data

    write()
    return write


@pytest.fixture
def fake(place, columns, monkeypatch):
    """Both services, at the addresses that the environment names."""
    fake = Fake(columns)
    with listening(fake) as url:
        fake.url = url
        monkeypatch.setenv("PREDICTION_API_URL", url)
        monkeypatch.setenv("DATA_API_URL", url + "/")
        yield fake


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(playback, "SILENCE_SECONDS", 0)
    monkeypatch.setattr(playback, "POLL_SECONDS", 0)


def told(fake):
    """How many rows were predicted, and how many outcomes told, in turns."""
    sent = [(route, count) for route, count, _ in fake.asked if route in {"predict", "outcomes"}]
    return [(route, sum(count for _, count in turn)) for route, turn in itertools.groupby(sent, key=lambda one: one[0])]


def test_both_routes_of_the_prediction_service_are_asked(fake):
    replay.main()

    counts = [count for route, count, _ in fake.asked if route == "predict"]
    assert counts[::2] == [1] * (len(counts) // 2)
    assert max(counts) > 1


def test_a_day_is_predicted_before_the_outcomes_of_the_day_before_it_are_told(fake, test_rows):
    replay.main()

    counts = test_rows.groupby(test_rows["moment"].dt.date).size().tolist()
    order = [("predict", counts[0] + counts[1]), ("outcomes", counts[0])]
    for yesterday, today in itertools.pairwise(counts[1:]):
        order += [("predict", today), ("outcomes", yesterday)]
    assert told(fake) == [*order[:-1], ("outcomes", counts[-2] + counts[-1])]


def test_rows_come_in_the_order_of_the_table_with_their_own_values_and_outcomes(fake, test_rows):
    replay.main()

    sent = [record for route, _, records in fake.asked if route == "predict" for record in records]
    assert [record["moment"] for record in sent] == [moment.isoformat() for moment in test_rows["moment"]]
    assert [record["weight"] for record in sent] == test_rows["weight"].tolist()
    assert [record["colour"] for record in sent] == test_rows["colour"].astype(object).where(
        test_rows["colour"].notna(), None
    ).tolist()
    assert [record["size"] is None for record in sent] == test_rows["size"].isna().tolist()
    assert [fake.outcomes[name] for name in sorted(fake.outcomes)] == (test_rows["good"] == 1).tolist()


def test_both_sides_of_each_score_are_printed_and_equal_scores_end_well(fake, capsys):
    replay.main()

    printed = capsys.readouterr().out
    for name in comparison.NAMES:
        (line,) = [line for line in printed.splitlines() if f" {name} " in line]
        cells = [cell.strip() for cell in line.split("│")[1:-1]]
        assert cells[1] == cells[2]
        assert cells[3] == "0"


def test_the_scores_are_asked_for_the_time_of_the_replay_alone_and_in_the_bins_of_evaluate(fake):
    replay.main()

    (query,) = [query for route, _, query in fake.asked if route == "performance"]
    last = MOMENT + (len(fake.predictions) - 1) // 10
    assert [pd.Timestamp(query[name][0]).value // 10**6 for name in ("since", "until")] == [MOMENT, last + 1]
    assert query["bins"] == ["5"]


def test_a_table_out_of_order_is_replayed_in_order(fake, place, test_rows):
    place(test_rows.sample(frac=1, random_state=1))

    replay.main()

    moments = [record["moment"] for route, _, records in fake.asked if route == "predict" for record in records]
    assert moments == sorted(moments)
    assert len(moments) == len(test_rows)


def test_a_random_split_is_replayed_in_the_order_of_the_table_and_in_equal_parts(fake, place, rows, monkeypatch, capsys):
    monkeypatch.setattr(batches, "MOST_RECORDS", 130)
    place(rows, RANDOM)

    replay.main()

    assert told(fake) == [
        ("predict", 200),
        ("outcomes", 100),
        ("predict", 100),
        ("outcomes", 200),
    ]
    assert "replay 300 rows in 3 parts" in capsys.readouterr().err
    weights = [record["weight"] for route, _, records in fake.asked if route == "predict" for record in records]
    assert weights == rows["weight"].tolist()


def test_a_day_of_more_rows_than_a_batch_may_hold_is_divided_evenly():
    table = pd.DataFrame({"moment": pd.to_datetime(["2020-01-01"] * 1003 + ["2020-01-02"])})

    found = batches.days(table, TimeSplit("time", "moment", pd.Timestamp("2020-01-01").date()))

    assert [[len(rows) for rows in day.batches] for day in found] == [[1, 501, 501], [1]]
    assert [day.name for day in found] == ["2020-01-01", "2020-01-02"]
    np.testing.assert_array_equal(np.concatenate([rows for day in found for rows in day.batches]), np.arange(1004))


@pytest.mark.parametrize(("option", "wanted"), [("--rows", 40), ("--days", None)])
def test_only_the_first_part_is_replayed_if_asked_for(fake, test_rows, monkeypatch, option, wanted):
    dates = test_rows["moment"].dt.date
    wanted = wanted or int(dates.isin(sorted(set(dates))[:3]).sum())
    monkeypatch.setattr(sys, "argv", ["replay", option, "40" if option == "--rows" else "3"])

    replay.main()

    assert len(fake.predictions) == len(fake.outcomes) == wanted < len(test_rows)


@pytest.mark.parametrize(
    "name", ["roc_auc", "average_precision", "brier_score", "calibration_error", "label_rate", "outcome_rate"]
)
def test_a_score_that_differs_is_refused_by_name(fake, name):
    fake.bend = lambda group: {**group, name: group[name] + 2e-9}

    with pytest.raises(ScoresDiffer, match=rf"; {name.removesuffix('_score')} differ\. .*data service computes scores"):
        replay.main()


def test_a_score_that_only_one_side_has_is_a_difference():
    assert comparison.difference(None, 0.7) == comparison.difference(0.7, None) == np.inf
    assert comparison.difference(None, None) == 0


def test_a_score_that_is_no_number_is_a_difference():
    with pytest.raises(ScoresDiffer, match="roc_auc differ"):
        comparison.refuse_difference({"roc_auc": float("nan")}, {"roc_auc": 0.7}, 0.0)


def test_a_row_of_one_class_alone_has_no_ranking_and_is_no_difference(fake, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["replay", "--rows", "1"])

    replay.main()

    assert "undefined" in capsys.readouterr().out


def test_where_all_rows_are_of_one_class_neither_ranking_is_defined():
    found = comparison.offline(np.ones(3), np.array([0.2, 0.3, 0.4]), 0.5, 5)

    assert found["roc_auc"] is found["average_precision"] is None
    assert found["brier"] == pytest.approx((0.64 + 0.49 + 0.36) / 3)


def test_another_probability_is_said_to_come_from_the_prediction_service():
    with pytest.raises(ScoresDiffer, match=r"at most 0\.1: look at the prediction service first"):
        comparison.refuse_difference({"brier": 0.2}, {"brier": 0.1}, 0.1)


def test_each_version_has_its_scores_where_more_than_one_answered(fake, capsys):
    fake.version = lambda number: "v1" if number < 100 else "v2"

    replay.main()

    printed = capsys.readouterr().out
    assert "model version" in printed
    assert "v1" in printed
    assert "v2" in printed


@pytest.mark.parametrize("retry_after", ["0", "1", None])
def test_a_503_is_waited_out_and_the_batch_is_predicted_once(fake, test_rows, retry_after):
    fake.busy, fake.retry_after = 2, retry_after

    replay.main()

    assert [route for route, _, _ in fake.asked].count("busy") == 2
    assert len(fake.predictions) == len(test_rows)


def test_predictions_that_do_not_arrive_are_counted_in_the_error(fake, impatient, test_rows):
    fake.lost, fake.delivery = 3, "ConnectError: away"

    with pytest.raises(PredictionsMissing, match=r"3 predictions and 3 outcomes are missing.*ConnectError: away"):
        replay.main()


def test_predictions_that_arrive_late_are_waited_for(fake, monkeypatch):
    monkeypatch.setattr(playback, "POLL_SECONDS", 0)
    fake.lost, group = 3, fake.group

    def arriving(names, query):
        fake.lost = max(0, fake.lost - 1)
        return group(names, query)

    fake.group = arriving

    replay.main()

    assert [route for route, _, _ in fake.asked].count("performance") > 1


def test_predictions_of_somebody_else_are_not_taken_for_the_replays(fake, test_rows):
    fake.others = 2

    with pytest.raises(
        PredictionsMissing, match=rf"made {len(test_rows)} .*counts {len(test_rows) + 2} in the same period\. Somebody else"
    ):
        replay.main()


def test_a_service_with_another_model_is_refused_before_anything_is_sent(fake):
    fake.model_sha256["model.onnx"] = "0" * 64

    with pytest.raises(ReplayImpossible, match=r"should serve the model in data/model; it serves version v1, .*model\.onnx"):
        replay.main()

    assert fake.asked == []


def test_a_service_that_delivers_nowhere_is_refused_before_anything_is_sent(fake):
    fake.delivery = "off"

    with pytest.raises(ReplayImpossible, match=f"Start it with DATA_API_URL={fake.url}"):
        replay.main()

    assert fake.asked == []


def test_a_wrong_password_is_refused_with_the_names_of_the_settings(fake, monkeypatch):
    monkeypatch.setenv("FIRST_ADMIN_PASSWORD", "wrong")

    with pytest.raises(ServiceRejected, match=r"401: The password is wrong\. Set DATA_API_KEY, FIRST_ADMIN and"):
        replay.main()

    assert fake.asked == []


def test_a_refusal_names_the_first_faulty_field(fake):
    fault = {"field": "records[0].size", "wanted": "a number", "got": "'far'"}
    fake.post_predict_batch = lambda *_: (422, {"detail": "One field is wrong.", "errors": [fault]})

    with pytest.raises(ServiceRejected, match=r"422: One field is wrong\. records\[0\]\.size: wanted a number; got 'far'"):
        replay.main()


@pytest.mark.parametrize("said", [b"<html>", b""])
def test_an_address_of_something_else_is_called_so(fake, said):
    fake.get_model = lambda *_: (200, said)

    with pytest.raises(ServiceRejected, match="PREDICTION_API_URL seems to be the address of something else"):
        replay.main()


def test_a_batch_whose_answer_is_lost_is_not_sent_again(fake):
    times = []

    def break_off(*_):
        times.append(1)
        return LOST, b""

    fake.post_predict = break_off

    with pytest.raises(ServiceUnavailable, match="gave no complete answer to POST /predict: "):
        replay.main()

    assert len(times) == 1


def run(**environment):
    """The replay as a person starts it, in this folder."""
    return in_process.run("replay.__main__", folder=Path.cwd(), environment=environment)


@pytest.mark.parametrize("name", ["PREDICTION_API_URL", "DATA_API_URL"])
def test_where_nobody_listens_one_sentence_says_what_to_type(fake, name):
    nobody = f"http://127.0.0.1:{free_port()}"
    done = run(**{"PREDICTION_API_URL": fake.url, "DATA_API_URL": fake.url, name: nobody})

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"error: nobody answers at {nobody} ({name}). Type `make serve` in another terminal, then try again."
    )


def test_a_difference_is_exit_status_1_after_the_table(fake):
    fake.bend = lambda group: {**group, "roc_auc": group["roc_auc"] - 0.01}

    done = run(PREDICTION_API_URL=fake.url, DATA_API_URL=fake.url)

    assert done.returncode == 1
    assert "1.0e-02" in done.stdout
    assert done.stderr.splitlines()[-1].startswith("error: Live and offline scores of the same rows should be equal")


def test_without_a_test_table_the_pipeline_is_asked_for(fake):
    shutil.rmtree("data/processed/test")

    with pytest.raises(ReplayImpossible, match=r"data/processed/test should hold the rows to replay; .*`make repro`"):
        replay.main()


def test_help_names_each_setting_with_its_default(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["replay", "--help"])

    with pytest.raises(SystemExit):
        replay.main()

    printed = capsys.readouterr().out
    for name, (default, _) in services.SETTINGS.items():
        assert name in printed
        assert default in printed


@pytest.mark.parametrize("count", ["0", "-1"])
def test_less_than_one_day_is_refused(monkeypatch, capsys, count):
    monkeypatch.setattr(sys, "argv", ["replay", "--days", count])

    with pytest.raises(SystemExit):
        replay.main()

    assert "it should be 1 or more" in capsys.readouterr().err


def test_a_key_is_sent_to_the_prediction_service_where_it_is_set(fake, monkeypatch):
    keys, answered = set(), fake.post_predict_batch
    monkeypatch.setenv("PREDICTION_API_KEY", "secret")

    def answer(query, headers, body):
        keys.add(headers.get("x-api-key"))
        return answered(query, headers, body)

    fake.post_predict_batch = answer

    replay.main()

    assert keys == {"secret"}


def test_nothing_stands_between_the_replay_and_a_service(fake, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    service = services.Service(fake.url, "PREDICTION_API_URL")

    assert service.get("/model")["version"] == "v1"


def test_a_datetime_is_asked_with_its_offset_where_training_had_one():
    moment = pd.Series(pd.to_datetime(["2020-01-01 08:00", None]))
    table = pd.DataFrame({"here": moment, "there": moment.dt.tz_localize("UTC")})

    records = batches.records(table, {name: Column("datetime") for name in table})

    assert records == [
        {"here": "2020-01-01T08:00:00", "there": "2020-01-01T08:00:00+00:00"},
        {"here": None, "there": None},
    ]
