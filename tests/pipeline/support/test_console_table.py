"""A table is read in a log, in a wide terminal and in a narrow one."""

import os
import pty
import subprocess
import sys

import pytest

SHOWN = """
from pipeline.support import console_table
console_table.show(['from', 'until', 'version', 'why'], [['a' * 19, 'now', '3', 'b ' * 30]])
"""


COMMAND = [sys.executable, "-c", SHOWN]


def terminal(columns):
    """What a terminal of so many columns shows."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "PYTHONPATH": "src"}
    subprocess.run(COMMAND, stdout=theirs, env=environment, check=True)
    os.close(theirs)
    said = b""
    while chunk := _read(ours):
        said += chunk
    os.close(ours)
    return [line.rstrip() for line in said.decode().splitlines()]


def _read(descriptor):
    try:
        return os.read(descriptor, 4096)
    except OSError:  # how Linux says that nobody writes any more
        return b""


def test_a_narrow_terminal_shows_each_row_upright_and_cuts_no_word():
    assert terminal(60)[:4] == [f"from     {'a' * 19}", "until    now", "version  3", f"why      {'b ' * 25}b"]


@pytest.mark.parametrize("columns", [120, 200])
def test_a_wide_terminal_shows_a_table(columns):
    assert terminal(columns)[0].startswith("┏")
    assert len(terminal(columns)) == 5


def test_a_log_wraps_nothing():
    log = {**os.environ, "PYTHONPATH": "src"}
    long = [*COMMAND[:2], SHOWN.replace("30", "300")]
    done = subprocess.run(long, env=log, capture_output=True, text=True, check=True)

    assert done.stdout.startswith("┏")
    assert len(done.stdout.splitlines()) == 5
