"""How the services are run together, shown with stand-ins for all; tests/contract/test_serve.py runs the real ones."""

import os
import signal
import subprocess
import sys
import time

import pytest

from pipeline.operations import serve

SERVICE = """
import os, signal, sys, time
def end(*_):
    print("ended", flush=True)
    {at_the_end}
signal.signal(signal.SIGTERM, end)
print("asks", os.environ["DATA_API_URL"], flush=True)
{then}
time.sleep(60)
"""
SECONDS = 20


@pytest.fixture
def start(tmp_path):
    """A function that serves stand-ins, and returns once all have said their first line."""
    started = []

    def run(at_the_end="sys.exit()", **then):
        for name, module in serve.MODULES.items():
            (tmp_path / f"{module}.py").write_text(SERVICE.format(at_the_end=at_the_end, then=then.get(name, "")))
        with (tmp_path / "log").open("w") as log:
            command = [sys.executable, "-m", "pipeline.operations.serve"]
            started.append(subprocess.Popen(command, cwd=tmp_path, stderr=log, start_new_session=True))
        until(lambda: lines(tmp_path).count(" | asks ") == 3)
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def until(true):
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def lines(folder):
    return (folder / "log").read_text()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_board_and_then_the_prediction_service_and_then_the_data_service(start, tmp_path, number, status):
    serving = start()

    os.killpg(serving.pid, number) if number == signal.SIGINT else serving.send_signal(number)

    assert serving.wait(SECONDS) == status
    assert lines(tmp_path).splitlines()[3:] == ["board      | ended", "prediction | ended", "data       | ended"]


def test_a_second_ctrl_c_does_not_wait(start, tmp_path):
    serving = start(at_the_end="pass")

    os.killpg(serving.pid, signal.SIGINT)
    until(lambda: "board      | ended" in lines(tmp_path))
    os.killpg(serving.pid, signal.SIGINT)

    assert serving.wait(SECONDS) == 130


@pytest.mark.parametrize(("name", "last"), [("data", "prediction"), ("prediction", "data"), ("board", "data")])
def test_where_one_ends_so_do_the_others_and_a_sentence_says_which(start, tmp_path, name, last):
    serving = start(**{name: "while not os.path.exists('failing'): time.sleep(0.02)\nsys.exit(7)"})

    (tmp_path / "failing").touch()

    assert serving.wait(SECONDS) == 1
    assert f"{last:<10} | ended\nerror: The {name} service ended with status 7, so the others" in lines(tmp_path)


def test_the_services_find_those_beside_them():
    settings = serve.settings(
        {
            "DATA_API_PORT": "9001",
            "PREDICTION_API_PORT": "9000",
            "FIRST_SERVICE_KEY": "first",
            "SECRETS": "of the containers",
        }
    )

    assert (settings["DATA_API_URL"], settings["DATA_API_KEY"]) == ("http://127.0.0.1:9001", "first")
    assert settings["PREDICTION_API_URL"] == "http://127.0.0.1:9000"
    assert serve.settings({"DATA_API_KEY": "typed", "FIRST_SERVICE_KEY": "first"})["DATA_API_KEY"] == "typed"
