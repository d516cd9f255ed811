"""The queue is worked off by DVC's workers, who are replaced where they die; what a person stops is stopped whole."""

import threading

import pytest

from pipeline.experiments import dvc_queue
from pipeline.versioning import dvc

PRINTED = """Task     Name        Created       Status
1d7942a  tubal-oats  03:17 PM      Running
4417780  downy-seep  Nov 26, 2026  Queued
a75f1e0  quare-upas  03:18 PM      Failed
b75f1e0              03:18 PM      Success

Worker status: 1 active, 2 idle
"""


@pytest.fixture
def typed(monkeypatch):
    """The commands of DVC that were typed."""
    commands = []
    monkeypatch.setattr(dvc, "run", lambda *words, **_: commands.append(words) or "done")
    monkeypatch.setattr(dvc_queue, "POLL_SECONDS", 0)
    return commands


@pytest.fixture
def answers(typed, monkeypatch):
    """What the queue answers to the questions for its status, one after the other, and the last one again and again."""
    coming = []
    monkeypatch.setattr(dvc_queue, "status", lambda: coming.pop(0) if coming[1:] else coming[0])
    return coming


def worked_off(*names, stop=None):
    advanced = []
    dvc_queue.work_off(names, 2, stop or threading.Event(), lambda: advanced.append(1))
    return len(advanced)


def test_states_and_workers_are_read_from_what_dvc_prints(monkeypatch):
    monkeypatch.setattr(dvc, "run", lambda *_: PRINTED)

    assert dvc_queue.status() == ({"downy-seep"}, {"tubal-oats"}, 3)


def test_every_point_of_a_grid_has_a_name(monkeypatch):
    printed = "Queueing with overrides ...\nQueued experiment 'a-b' for future execution.\nQueued experiment 'c-d' for ...\n"
    monkeypatch.setattr(dvc, "run", lambda *words: printed if words[3:] == ("-S", "a=1,2", "-S", "b=3") else "")

    assert dvc_queue.enqueue(["a=1,2", "b=3"]) == ["a-b", "c-d"]


def test_dvc_rests_five_times_as_long_as_a_question_took(typed, monkeypatch):
    class Stop(threading.Event):
        def wait(self, timeout=None):
            rests.append(timeout)

    rests, clock = [], iter([0.0, 2.0, 10.0, 10.5])
    monkeypatch.setattr(dvc_queue, "status", lambda: (set(), set(), 0))
    monkeypatch.setattr(dvc_queue.time, "monotonic", lambda: next(clock))

    worked_off("a", stop=Stop())

    assert rests == [dvc_queue.POLL_SECONDS, 10.0]


def test_workers_start_once_and_each_end_is_counted(answers, typed):
    answers += [({"a", "b"}, set(), 0), (set(), {"a", "b"}, 2), (set(), {"b"}, 2), (set(), set(), 2)]

    assert worked_off("a", "b") == 2
    assert typed == [("queue", "start", "--jobs", "2")]


def test_nothing_starts_where_nothing_waits(answers, typed):
    answers += [({"of others"}, set(), 0)]

    assert worked_off("a") == 1
    assert typed == []


def test_an_experiment_that_is_nowhere_for_a_moment_is_waited_for(answers, typed):
    answers += [({"a"}, set(), 0), (set(), set(), 2), (set(), {"a"}, 2), (set(), set(), 2)]

    assert worked_off("a") == 1
    assert answers == [(set(), set(), 2)]


def test_what_ran_with_workers_that_died_has_failed_and_others_start(answers, typed, capsys):
    answers += [({"a", "b"}, set(), 0), ({"b"}, {"a"}, 0), *[({"b"}, {"a"}, 0)] * 3, ({"b"}, set(), 0), (set(), set(), 2)]

    worked_off("a", "b")

    assert typed == [("queue", "start", "--jobs", "2"), ("queue", "kill", "a"), ("queue", "start", "--jobs", "2")]
    assert "warning: All workers died, and a with them; others start." in capsys.readouterr().err


def test_a_worker_that_answers_late_lives(answers, typed):
    answers += [({"a"}, set(), 0), (set(), {"a"}, 0), (set(), {"a"}, 0), (set(), {"a"}, 1), (set(), set(), 1)]

    worked_off("a")

    assert typed == [("queue", "start", "--jobs", "2")]


def test_workers_that_die_before_they_take_anything_up_end_the_sweep(answers, typed):
    answers += [({"a"}, set(), 0)]

    with pytest.raises(dvc.DvcFailed, match=r"died before they took up an experiment\. `dvc queue start -v`"):
        worked_off("a")


def test_a_stop_ends_the_wait(answers):
    stop = threading.Event()
    stop.set()

    assert worked_off("a", stop=stop) == 0


def test_a_stop_takes_out_what_waits_and_kills_what_runs_until_nothing_is_left(answers, typed):
    answers += [({"a", "other"}, {"b"}, 2), (set(), {"b"}, 2), ({"other"}, set(), 2)]

    dvc_queue.stop(["a", "b"])

    assert [words for words in typed if words[2:]] == [
        ("queue", "remove", "a"),
        ("queue", "kill", "b"),
        ("queue", "kill", "b"),
    ]
    assert typed[-1] == ("queue", "stop")


def test_a_kill_that_dvc_refuses_is_asked_for_again(answers, monkeypatch):
    answers += [(set(), {"b"}, 1), (set(), {"b"}, 1), (set(), set(), 1)]
    refused = []

    def run(*words):
        if words == ("queue", "kill", "b"):
            refused.append(words)
            raise dvc.DvcFailed("its folder is still being made")

    monkeypatch.setattr(dvc, "run", run)
    dvc_queue.stop(["b"])

    assert len(refused) == 2


def test_orphans_are_released_only_where_no_worker_answers(answers, typed):
    answers += [(set(), {"a"}, 0), (set(), {"a"}, 1)]
    dvc_queue.release_orphans()
    assert typed == []

    answers[:] = [(set(), {"a"}, 0)]
    dvc_queue.release_orphans()
    assert typed == [("queue", "kill", "a")]
