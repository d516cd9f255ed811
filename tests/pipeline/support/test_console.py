"""A stage ends as a person wants to read it: one line per step, one sentence per failure, a traceback if asked for."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline
from pipeline.support import console

FAILING = """
import sys
from pipeline.support import errors, console
def main():
    with console.step("read the table"):
        raise {error}
console.run(main)
"""
REFUSED = FAILING.format(error='errors.TableInvalid("Table [t] is damaged. Replace it.")')


def test_a_failure_is_one_sentence_and_exit_status_1(python):
    done = python(REFUSED, ONTIME_DEBUG="")

    assert (done.returncode, done.stdout, done.stderr) == (1, "", "error: Table [t] is damaged. Replace it.\n")


def test_a_long_sentence_is_not_broken_into_lines(python):
    done = python(FAILING.format(error='errors.TableInvalid("word " * 100 + "end")'), ONTIME_DEBUG="", COLUMNS="40")

    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("debug", ["1", "yes"])
def test_debugging_shows_the_traceback(python, debug):
    done = python(REFUSED, ONTIME_DEBUG=debug)

    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "pipeline.support.errors.TableInvalid: Table [t] is damaged" in done.stderr


@pytest.mark.parametrize("debug", ["", "0"])
def test_without_debugging_there_is_no_traceback(python, debug):
    assert "Traceback" not in python(REFUSED, ONTIME_DEBUG=debug).stderr


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("FileNotFoundError(2, 'No such file or directory', 'a.csv')", "Reading or writing a.csv failed: No such file or"),
        ("OSError(28, 'No space left on device')", "Reading or writing failed: No space left on device. Free space"),
        ("MemoryError()", "This machine has too little free memory"),
    ],
)
def test_what_the_machine_lacks_is_one_sentence_too(python, error, words):
    done = python(FAILING.format(error=error), ONTIME_DEBUG="")

    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {words}")
    assert "dvc repro" not in done.stderr  # it may have been any command
    assert done.stderr.count("\n") == 1


def test_a_mistake_of_ours_is_called_one_and_says_how_to_see_more(python):
    done = python(FAILING.format(error="KeyError('x')"), ONTIME_DEBUG="")

    assert done.returncode == 1
    assert done.stderr == (
        "error: This is a bug of Ontime, an unexpected KeyError: 'x'. The same command with ONTIME_DEBUG=1 shows where.\n"
    )
    assert "Traceback" not in done.stderr


def test_success_is_exit_status_0(python):
    done = python("from pipeline.support import console; console.run(lambda: None)")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


STEPS = """
from pipeline.support import console
def main():
    with console.step("read [the] table", 3) as advance:
        for _ in range(3): advance()
    console.say("12 rows [were] left out")
    console.warn("the server is [down]")
console.run(main)
"""


def test_a_step_is_one_line_with_its_time_where_there_is_no_terminal(python):
    lines = python(STEPS).stderr.splitlines()

    assert re.fullmatch(r"  read \[the\] table +\d+\.\d s", lines[0])
    assert lines[1:] == ["  12 rows [were] left out", "  warning: the server is [down]"]


def test_a_log_has_no_colours(python):
    assert "\x1b" not in python(STEPS).stderr + python(REFUSED).stderr


def test_a_step_that_fails_claims_no_time(python):
    assert "read the table" not in python(REFUSED, ONTIME_DEBUG="").stderr


WAITING = """
import time
from pipeline.support import console
def main():
    print("ready", flush=True)
    time.sleep(60)
console.run(main)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stage_that_is_stopped_says_so(number):
    source = str(Path(pipeline.__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING],
        env={"PYTHONPATH": source},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, said = process.communicate(timeout=30)

    assert process.returncode == 128 + number
    assert said == ("error: Stopped before the end. If a stage was running, `make reset` restores its outputs.\n")


def test_an_answer_goes_where_a_pipe_takes_it_and_a_remark_does_not(capfd):
    console.answer("version 1 was champion, since 2026-11-23 [UTC]: " + "x" * 200)
    console.say("a remark")

    printed = capfd.readouterr()
    assert printed.out == "version 1 was champion, since 2026-11-23 [UTC]: " + "x" * 200 + "\n"
    assert "a remark" in printed.err
