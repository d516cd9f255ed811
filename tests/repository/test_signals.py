"""Ctrl-C reaches what tests start, also where the tests run in the background of a script, which ignores it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

CODE = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"


def test_a_process_that_a_test_starts_obeys_ctrl_c():
    assert subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout == "True\n"


def test_it_does_so_where_the_tests_themselves_ignore_ctrl_c():
    one = f"{Path(__file__)}::{test_a_process_that_a_test_starts_obeys_ctrl_c.__name__}"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", one]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        command,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
