"""Workers are forked from a process with an environment of its own."""

import os
import signal

import pytest

from pipeline.compute import fork_server


@pytest.fixture
def processes(monkeypatch):
    """The environments in which `start` starts processes; here it starts none."""
    environments = []
    monkeypatch.setattr(fork_server, "METHOD", "forkserver")
    monkeypatch.setattr(fork_server.resource_tracker, "ensure_running", lambda: environments.append(dict(os.environ)))
    monkeypatch.setattr(fork_server.forkserver, "ensure_running", lambda: environments.append(dict(os.environ)))
    return environments


def test_what_workers_get_is_not_left_in_the_environment_of_the_stage(processes, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    before = dict(os.environ)

    fork_server.start()

    tracker, workers = processes
    assert tracker == before | {"PYTHONWARNINGS": "ignore"}
    assert workers == before | fork_server.ENVIRONMENT
    assert dict(os.environ) == before


def test_ctrl_c_is_for_the_stage_alone(processes, monkeypatch):
    masks = []
    monkeypatch.setattr(
        fork_server.forkserver, "ensure_running", lambda: masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, []))
    )

    fork_server.start()

    assert signal.SIGINT in masks[0]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
