"""The engine of a Dask cluster gives what the one in this process gives, whatever happens to its workers."""

import os
import signal
import socket
import time
from dataclasses import replace
from functools import partial

import dask
import distributed
import numpy as np
import pandas as pd
import pytest

import compute_tasks
from pipeline import compute
from pipeline.compute import dask_cluster, installation
from pipeline.compute.dask_engine import AHEAD, DaskEngine
from pipeline.compute.errors import SchedulerAway, WorkerDiffers, WorkerFailed, WorkersAway
from pipeline.config.settings import Column, Evaluate
from pipeline.data.model_inputs import INPUTS
from pipeline.evaluation import permutation_importance, slice_scores
from pipeline.evaluation.row_labels import RowLabels, Slicing
from pipeline.support.errors import TableInvalid


def nothing():
    pass


@pytest.fixture(scope="module")
def client():
    """A cluster of two workers, threads of this process: what they compute and how is the same."""
    options = {"processes": False, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with (
        distributed.LocalCluster(n_workers=2, **options) as cluster,
        distributed.Client(cluster, set_as_default=False) as connected,
    ):
        yield connected


@pytest.fixture
def engine(client):
    return DaskEngine(client, worker_seconds=1)


def test_results_come_in_the_order_of_the_tasks_and_each_is_counted(engine):
    seconds, done = [0.2, 0.0, 0.1, 0.0, 0.05, 0.0], []

    assert list(engine.map(compute_tasks.wait, seconds, lambda: done.append(1))) == seconds
    assert len(done) == len(seconds)


def test_only_a_few_tasks_are_taken_ahead(engine):
    taken = []
    results = engine.map(compute_tasks.double, (taken.append(number) or number for number in range(100)), nothing)

    assert next(results) == 0
    assert len(taken) == 2 * AHEAD
    assert list(results) == [2 * number for number in range(1, 100)]


def test_what_all_tasks_share_travels_with_the_first_ones_alone(engine, monkeypatch):
    sent, submit = [], engine._submit
    monkeypatch.setattr(engine, "_submit", lambda shared, task: sent.append(shared.content) or submit(shared, task))

    assert list(engine.map(partial(compute_tasks.add, 7), range(20), nothing)) == list(range(7, 27))
    assert [content is not None for content in sent] == [True] * 2 * AHEAD + [False] * (20 - 2 * AHEAD)


def test_a_worker_that_has_not_got_what_all_tasks_share_gets_it(engine):
    """Each task here leaves its worker as one that has just joined."""
    assert list(engine.map(partial(compute_tasks.add_and_forget, 7), range(20), nothing)) == list(range(7, 27))


def test_an_error_of_a_task_arrives_as_it_is_with_the_workers_traceback_as_a_note(engine):
    with pytest.raises(TableInvalid) as caught:
        list(engine.map(compute_tasks.refuse, [7], nothing))

    assert str(caught.value) == "flights.csv: row 7 is broken"
    assert "in refuse" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (
            compute_tasks.fill_the_disk,
            r"^The worker inproc://\S+ failed to read or write /tmp/spill: No space left on device\. Free",
        ),
        (compute_tasks.fill_the_memory, r"^The worker inproc://\S+ has too little free memory for a task\. Give it more"),
    ],
)
def test_what_a_worker_lacks_is_said_of_that_worker(engine, function, words):
    with pytest.raises(WorkerFailed, match=words):
        list(engine.map(function, [1], nothing))


def test_an_error_that_cannot_be_pickled_keeps_its_words(engine):
    with pytest.raises(RuntimeError, match=r"^Unportable: 1 and 2\n"):
        list(engine.map(compute_tasks.raise_unportable, [1], nothing))


def test_an_error_leaves_nothing_in_flight_and_the_engine_usable(engine, client):
    with pytest.raises(TableInvalid):
        list(engine.map(compute_tasks.refuse, range(100), nothing))

    assert list(engine.map(compute_tasks.double, [4], nothing)) == [8]
    assert not client.futures


def test_a_worker_with_other_source_or_packages_is_named_before_and_during_work(engine, client, monkeypatch):
    here = installation.here()
    other = replace(here, source="other", packages={**here.packages, "pandas": "2.2.0"})
    words = (
        r"^The worker inproc://\S+ should have .* it has another src/pipeline or src/column_types.*, "
        rf"pandas {here.packages['pandas']} in place of 2\.2\.0\. Give it this commit"
    )
    monkeypatch.setattr(engine, "_installation", other)

    with pytest.raises(WorkerDiffers, match=words):
        list(engine.map(compute_tasks.double, [1], nothing))
    with pytest.raises(WorkerDiffers, match=words):
        engine.check_workers()


def test_a_cluster_without_workers_is_named_after_the_time_that_is_set(monkeypatch):
    monkeypatch.setattr("pipeline.compute.dask_engine.LOOK_SECONDS", 0.1)
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
        pytest.raises(WorkersAway, match=r"should have workers; it has had none for 0\.2 s\. Start some"),
    ):
        list(DaskEngine(client, worker_seconds=0.2).map(compute_tasks.double, [1], nothing))


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("nowhere", "missing port"),
        ("tcp://127.0.0.1:{closed}", "Timed out"),
        ("tcp://127.0.0.1:{silent}", ""),
        ("tls://127.0.0.1:{silent}", "TLS"),
    ],
)
def test_a_scheduler_that_is_away_is_one_sentence_within_seconds(monkeypatch, address, found):
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.create_server(("127.0.0.1", 0)) as closed:
        ports = {"silent": silent.getsockname()[1], "closed": closed.getsockname()[1]}
        closed.close()
        address, start = address.format(**ports), time.monotonic()

        with (
            pytest.raises(SchedulerAway, match=rf"^DASK_SCHEDULER_ADDRESS={address} should be .*{found}.*Start it, correct"),
            compute.open_engine({"DASK_SCHEDULER_ADDRESS": address}),
        ):
            pass

    assert time.monotonic() - start < 10


def test_workers_that_cannot_start_on_this_machine_are_one_sentence(tmp_path, capfd):
    (tmp_path / "file").touch()
    with (
        dask.config.set({"temporary-directory": str(tmp_path / "file/folder")}),
        pytest.raises(WorkersAway, match=r"^1 workers should start on this machine; they have not \(.*Not a directory"),
        compute.open_engine({"DASK_WORKERS": "1"}),
    ):
        pass

    assert capfd.readouterr() == ("", "")


def test_a_task_whose_worker_is_killed_is_computed_again(monkeypatch, capfd):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["src", "tests"]))
    tasks, processes = [(number, 0.1) for number in range(8)], set()
    with compute.open_engine({"DASK_WORKERS": "2"}) as engine:
        results = []
        for number, process in engine.map(compute_tasks.wait_in, tasks, nothing):
            results.append(number)
            processes.add(process)
            if number == 1:
                os.kill(process, signal.SIGKILL)

    assert results == list(range(8))
    assert len(processes) > 1
    assert not any(is_running(process) for process in processes)
    assert capfd.readouterr() == ("", "")


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_results_that_nobody_takes_end_quietly_after_their_cluster():
    with (
        distributed.LocalCluster(n_workers=1, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        results = DaskEngine(client, worker_seconds=1).map(compute_tasks.double, range(9), nothing)
        assert next(results) == 0

    results.close()


def test_scores_of_parts_are_the_same_to_the_last_bit(engine):
    random = np.random.default_rng(0)
    probability = random.random(600)
    table = pd.DataFrame({"late": random.random(600) < probability, "origin": random.choice(["EWR", "JFK", "LGA"], 600)})
    labels = RowLabels.from_tables([table], "late", Slicing(("origin",), None, 10))
    settings = Evaluate(1, 20, 0.9, calibration_bins=5, smallest_slice=10, importance_rows=100, reasons_rows=50)
    here, there = (
        slice_scores.evaluate(labels, probability, 0.5, settings, nothing, where, exact_rows=300) for where in (None, engine)
    )

    assert there.overall == here.overall
    pd.testing.assert_frame_equal(there.slices, here.slices, check_exact=True)


def test_importances_are_the_same_to_the_last_bit(engine):
    arrays = {name: np.random.default_rng(0).random((600, 2), np.float32) for name in INPUTS.values()}
    columns = {f"{kind} {number}": Column(kind) for kind in INPUTS for number in range(2)}
    truth = compute_tasks.mean_input(arrays) > 0.5
    here, there = (
        permutation_importance.auc_losses(compute_tasks.mean_input, arrays, truth, columns, 1, nothing, where)
        for where in (None, engine)
    )

    assert there["auc_loss"].min() > 0
    pd.testing.assert_frame_equal(there, here, check_exact=True)
