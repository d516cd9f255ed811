"""The command line: what it does, and how it says what it cannot do."""

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

import warm_process
from prediction_api.batch import batch_predict
from prediction_api.errors import TableUnreadable

PACKAGES = os.pathsep.join(str(Path(__file__).parents[2] / folder) for folder in ("src", "serving"))


@pytest.fixture
def command(tmp_path, make_model):
    """A function that runs `python -m prediction_api` to its end, with a good model, an outbox and more environment."""

    def run(*arguments, **environment):
        given = {"MODEL_URI": make_model(), "OUTBOX_DIR": tmp_path / "outbox", "PREDICTION_API_PORT": "0", **environment}
        settings = {**os.environ, "PYTHONPATH": PACKAGES, **{name: str(value) for name, value in given.items()}}
        return warm_process.run("prediction_api", list(map(str, arguments)), settings, tmp_path)

    return run


def assert_one_sentence(done, words):
    """A command failed with one line on standard error, which says these words, and no traceback."""
    assert done.returncode not in (0, None)
    assert "Traceback" not in done.stderr
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]  # others are the log
    assert len(said) == 1, done.stderr
    assert re.match(rf"error: .*{words}", said[0]), said[0]


def test_help_names_the_commands(command):
    done = command("--help")

    assert done.returncode == 0
    assert re.findall(r"^    (\w+) ", done.stdout, re.MULTILINE) == ["serve", "score", "check", "key"]


def test_the_help_of_score_names_its_files_and_its_default_model(command):
    done = command("score", "--help")

    assert done.returncode == 0
    assert all(word in " ".join(done.stdout.split()) for word in ("input", "output", "--model", "data/model", ".parquet"))


def test_an_unknown_command_is_refused_with_those_that_exist(command):
    done = command("sing")

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert re.search(r"invalid choice: 'sing' \(choose from '?serve'?, '?score'?, '?check'?, '?key'?\)", done.stderr)


def test_score_writes_the_file_and_tells_how_many_rows(command, make_model, tmp_path):
    (tmp_path / "in.csv").write_text("departs,carrier,distance,delay\n2013-05-19T14:15:00,UA,800,2.5\n")

    done = command("score", "in.csv", "out.csv", "--model", make_model())

    assert (done.returncode, done.stdout) == (0, "")
    assert re.search(r"out\.csv: 1 rows? scored by tiny [0-9a-f]{12}\n", done.stderr)
    assert (tmp_path / "out.csv").read_text().splitlines()[0] == "probability,label"


def test_score_without_a_model_ends_with_one_sentence(command, tmp_path):
    (tmp_path / "in.csv").write_text("departs\n")

    assert_one_sentence(command("score", "in.csv", "out.csv"), r"data/model should hold model\.onnx.*make repro")


def test_score_of_a_faulty_row_ends_with_one_sentence_and_no_file(command, make_model, tmp_path):
    (tmp_path / "in.csv").write_text("departs,carrier,distance,delay\n2013-05-19T14:15:00,UA,far,2.5\n")

    done = command("score", "in.csv", "out.csv", "--model", make_model())

    assert_one_sentence(done, r"in\.csv, row 1: distance should be a number; it is 'far'")
    assert not (tmp_path / "out.csv").exists()


def test_key_makes_a_key_and_the_pair_that_lets_it_in(command, make_server, record):
    done = command("key", "web")

    assert done.returncode == 0
    key, pair = (line.strip() for line in done.stdout.splitlines() if line.startswith("  "))
    assert pair == f"web:{hashlib.sha256(key.encode()).hexdigest()}"
    assert len(key) > 40
    server = make_server(API_KEYS=pair, ADMIN_KEYS=pair)
    answers = [httpx.post(f"{server.url}/predict", json=record, headers={"x-api-key": one}) for one in (key, "other")]
    assert [answer.status_code for answer in answers] == [200, 401]
    assert httpx.post(f"{server.url}/reload", headers={"x-api-key": key}).status_code == 200


def test_no_key_is_made_twice(command):
    assert command("key", "web").stdout != command("key", "web").stdout


@pytest.mark.parametrize("name", ["", "a b", "web:1", "x" * 65, "a,b"])
def test_a_key_for_an_odd_name_is_refused(command, name):
    done = command("key", name)

    assert_one_sentence(done, "name")
    assert done.stdout == ""


def test_a_start_without_a_model_ends_with_one_sentence(command, tmp_path):
    assert_one_sentence(command(MODEL_URI=tmp_path / "nothing"), r"nothing should hold model\.onnx.*make repro")


def test_a_start_with_a_tampered_model_ends_with_one_sentence(command, make_model):
    folder = make_model(folder=make_model().parent / "tampered")
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes() + b"\0")

    assert_one_sentence(command(MODEL_URI=folder), r"should have the sha256 that came with them; model\.onnx")


def test_a_start_with_a_graph_of_another_schema_ends_with_one_sentence(command, make_model):
    columns = json.loads((make_model() / "schema.json").read_text())["columns"]
    folder = make_model(folder=make_model().parent / "foreign", columns=columns[:-1])

    assert_one_sentence(command(MODEL_URI=folder), r"model\.onnx should take ")


def test_a_start_with_faulty_settings_ends_with_one_sentence_that_names_all_of_them(command):
    done = command(MAX_RECORDS="none", LOG_LEVEL="LOUD", DATA_API_URL="//x")

    assert_one_sentence(done, "cannot use.*LOG_LEVEL: .*DATA_API_URL: .*MAX_RECORDS: ")


@pytest.mark.parametrize("name", ["API_KEYS", "ADMIN_KEYS"])
def test_a_start_with_a_key_in_place_of_its_digest_ends_without_showing_it(command, name):
    done = command(**{name: "web:ontime_this-is-the-key-itself"})

    assert_one_sentence(done, rf"{name} should hold name:sha256 pairs.*pair 1")
    assert "this-is-the-key" not in done.stderr + done.stdout


def test_a_start_with_a_faulty_address_of_the_data_service_shows_no_password_and_no_key(command):
    done = command(DATA_API_URL="ftp://me:hidden-word@data", DATA_API_KEY="the-data-key")

    assert_one_sentence(done, "DATA_API_URL: ")
    assert not re.search("hidden-word|the-data-key", done.stderr + done.stdout)


def test_a_start_on_an_occupied_outbox_ends_with_one_sentence(make_server, command, tmp_path):
    make_server()

    assert_one_sentence(command(), rf"OUTBOX_DIR={tmp_path}/outbox belongs to another process")


def test_a_start_on_an_outbox_that_cannot_be_written_ends_with_one_sentence(command, tmp_path):
    (tmp_path / "file").write_text("")

    assert_one_sentence(command(OUTBOX_DIR=tmp_path / "file"), "OUTBOX_DIR=.*/file should be a folder")


def test_a_start_on_an_occupied_port_ends_with_one_sentence(command):
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = occupied.getsockname()[1]

        done = command(PREDICTION_API_PORT=port)

    assert_one_sentence(done, rf"{port}.*in use|in use.*{port}")


def test_a_start_on_an_address_of_another_machine_ends_with_one_sentence(command):
    assert_one_sentence(command(PREDICTION_API_HOST="192.0.2.1"), r"192\.0\.2\.1")


def test_a_start_that_failed_leaves_the_outbox_to_the_next(make_server, command, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        command(PREDICTION_API_PORT=occupied.getsockname()[1])

    assert httpx.get(f"{make_server().url}/readyz").status_code == 200


def test_secrets_of_a_running_service_are_in_no_log(make_server, record):
    key = "a-good-key"
    server = make_server(
        ACCESS_LOG="true", LOG_LEVEL="DEBUG", API_KEYS=f"web:{hashlib.sha256(key.encode()).hexdigest()}",
        DATA_API_URL="http://127.0.0.1:9", DATA_API_KEY="the-data-key",
    )  # fmt: skip
    httpx.post(f"{server.url}/predict", json=record, headers={"x-api-key": key})
    server.stop()

    assert not re.search(rf"{key}|the-data-key|{hashlib.sha256(key.encode()).hexdigest()}", server.log.read_text())


def test_an_interrupt_ends_the_service_without_a_traceback(make_server):
    server = make_server()
    server.process.send_signal(signal.SIGINT)

    assert server.process.wait(60) != 1
    assert "Traceback" not in server.log.read_text()


def test_serve_is_what_happens_without_a_command(make_server, record):
    assert httpx.post(f"{make_server().url}/predict", json=record).status_code == 200


@pytest.mark.skipif(
    not Path("data/model/metadata.json").is_file() and "CI" not in os.environ,  # CI makes the model before
    reason="there is no model yet: type `make repro` first",
)
def test_make_serve_needs_no_setting(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as occupied:  # so that it ends by itself, after all that comes before
        settings = {"PREDICTION_API_PORT": str(occupied.getsockname()[1]), "OUTBOX_DIR": str(tmp_path / "outbox")}
        environment = {name: value for name, value in os.environ.items() if name != "MODEL_URI"}
        done = subprocess.run(
            ["make", "serve"], env={**environment, **settings}, capture_output=True, text=True, check=False, timeout=60
        )

    assert "error: The service should listen on 127.0.0.1" in done.stderr
    assert "unbound" not in done.stderr


def test_a_file_is_not_overwritten_by_its_own_scores(tmp_path, make_model):
    table = tmp_path / "in.csv"
    table.write_text("departs,carrier,season,distance,delay\n2013-05-19T14:15:00,UA,summer,800,1\n")
    (tmp_path / "link.csv").symlink_to(table)

    with pytest.raises(TableUnreadable, match=r"link\.csv is the file to be scored; give the result another name"):
        batch_predict.score(table, tmp_path / "link.csv", make_model())

    assert table.read_text().startswith("departs,")
