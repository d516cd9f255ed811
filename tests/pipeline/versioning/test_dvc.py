"""DVC runs in a process of its own, and its failure is one sentence."""

import os
import time

import pytest

from pipeline.versioning import dvc


def test_what_a_command_prints_is_given():
    assert dvc.run("--version").startswith("3.")


def test_a_failure_says_which_command_failed_and_why(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(
        dvc.DvcFailed, match=r"^`dvc exp show` should work; it says: .*not inside of a DVC repo.*\. Type it to see, and try"
    ):
        dvc.run("exp", "show")


def test_it_has_the_environment_that_it_is_given_and_a_session_of_its_own(tmp_path, monkeypatch):
    """Ctrl-C on a terminal goes to every process of a session: DVC is not cut off half way."""
    (tmp_path / "dvc.py").write_text("import os; print(os.environ['OMP_NUM_THREADS'], os.getsid(0))")
    monkeypatch.chdir(tmp_path)

    threads, session = dvc.run("status", OMP_NUM_THREADS="7").split()

    assert (threads, session == str(os.getsid(0))) == ("7", False)


def test_what_a_command_leaves_running_is_not_waited_for(tmp_path, monkeypatch):
    """`dvc queue start` leaves workers, which hold its output open."""
    (tmp_path / "dvc.py").write_text("import subprocess; subprocess.Popen(['sleep', '20']); print('Started', flush=True)")
    monkeypatch.chdir(tmp_path)
    begin = time.monotonic()

    assert dvc.run("queue", "start") == "Started\n"
    assert time.monotonic() - begin < 15
