"""Preprocess on a cluster that fails, or on rows that do: the same bytes, or an error and nothing written."""

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penguins

ROOT = Path.cwd()
KILLS = 50
WORKER, SCHEDULER = "distributed.cli.dask_worker", "distributed.cli.dask_scheduler"

pytestmark = pytest.mark.long(
    "50 kills of workers, and those of a scheduler and of a stage, while it computes on a cluster; full disks"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the raw tables of the flights and the examples that one process made of them."""
    folder = tmp_path_factory.mktemp("flights")
    for name in ("params.yaml", "requirements/pipeline.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(name, folder / name)
    for stage in ("ingest", "preprocess"):
        done = subprocess.run(command(stage), cwd=folder, env=environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def scheduler():
    """The address of a scheduler without workers, and its process."""
    process = start(SCHEDULER, "--host=127.0.0.1", "--port=0", "--dashboard-address=127.0.0.1:0")
    address = next(found[1] for line in process.stderr if (found := re.search(r"Scheduler at: +(\S+)", line)))
    yield address, process
    stop(process)


@pytest.fixture
def cluster(scheduler):
    """The address of a scheduler with one worker, and the process of the scheduler."""
    worker = start(WORKER, scheduler[0], "--nthreads=1", "--memory-limit=0", "--dashboard-address=127.0.0.1:0")
    next(line for line in worker.stderr if "Registered to" in line)
    yield scheduler
    stop(worker)


def stop(process):
    """Ends a process and those that it has started; gives what they have said."""
    for child in (*psutil.Process(process.pid).children(recursive=True), process):
        child.kill()
    process.wait()
    with process.stderr as said:
        return said.read()


def start(module, *words, before=(), **settings):
    command = [*before, sys.executable, "-m", module, *words]
    return subprocess.Popen(command, env=environment(**settings), stderr=subprocess.PIPE, text=True)


def command(stage):
    return [sys.executable, "-m", f"pipeline.stages.{stage}"]


def environment(**settings):
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), **settings}


def preprocess(place, **settings):
    return subprocess.Popen(
        command("preprocess"),
        cwd=place,
        env=environment(**settings),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def digest(place):
    """The digest of all that the folder of examples holds, beside which nothing is left over."""
    assert sorted(path.name for path in (place / "data").iterdir()) == ["processed", "raw"]
    files = sorted(path for path in (place / "data/processed").rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(str(path).encode() + path.read_bytes() for path in files)).hexdigest()


def workers(stage):
    """The processes of workers that a stage has started itself, by way of the process that they are forked from."""
    try:
        return [worker for child in psutil.Process(stage.pid).children() for worker in child.children()]
    except psutil.NoSuchProcess:
        return []


def await_examples(place, stage):
    """Waits until the first partition is written, or the stage has ended."""
    while stage.poll() is None and not any((place / "data/.processed.new").glob("train/*")):
        time.sleep(0.02)


def test_the_examples_are_the_same_bytes_whenever_workers_are_killed(place):
    wanted, chance, kills = digest(place), random.Random(0), 0
    while kills < KILLS:
        stage = preprocess(place, DASK_WORKERS="2")
        await_examples(place, stage)
        while stage.poll() is None:
            if (running := workers(stage)) and kills < KILLS:
                chance.choice(running).kill()
                kills += 1
            time.sleep(chance.uniform(0, 5))
        (_, said), code = stage.communicate(), stage.returncode
        assert (code, "Traceback" in said, "distributed" in said) == (0, False, False), said
        assert digest(place) == wanted


@pytest.mark.parametrize("workers", ["1", "2", "3"])
def test_the_examples_are_the_same_bytes_whatever_the_number_of_workers(place, workers):
    wanted = digest(place)
    stage = preprocess(place, DASK_WORKERS=workers)
    _, said = stage.communicate()

    assert (stage.returncode, digest(place)) == (0, wanted), said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_stage_that_is_stopped_leaves_no_process_and_says_one_sentence(place, number, code):
    stage = preprocess(place, DASK_WORKERS="2")
    await_examples(place, stage)
    children = psutil.Process(stage.pid).children(recursive=True)
    os.killpg(stage.pid, number) if number == signal.SIGINT else stage.send_signal(number)
    _, said = stage.communicate(timeout=60)

    assert stage.returncode == code
    assert len(said.splitlines()) == (code > 0), said
    assert psutil.wait_procs(children, timeout=30)[1] == []
    shutil.rmtree(place / "data/.processed.new", ignore_errors=True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_scheduler_that_vanishes_is_one_sentence_and_the_examples_stay_as_they_were(place, cluster, number):
    (address, scheduler), wanted = cluster, digest(place)
    stage = preprocess(place, DASK_SCHEDULER_ADDRESS=address)
    await_examples(place, stage)
    scheduler.send_signal(number)
    _, said = stage.communicate(timeout=120)

    assert stage.returncode == 1
    assert re.fullmatch(rf"error: The scheduler at {address} should answer until all is computed; it has gone\. .*\n", said)
    assert digest(place) == wanted
    shutil.rmtree(place / "data/processed")
    again = preprocess(place, DASK_WORKERS="2")
    assert (again.communicate()[0], again.returncode, digest(place)) == (None, 0, wanted)


def test_a_cluster_elsewhere_gives_the_same_bytes_again_and_again(place, cluster):
    (address, _), wanted = cluster, digest(place)
    for _ in range(2):
        stage = preprocess(place, DASK_SCHEDULER_ADDRESS=address)
        _, said = stage.communicate(timeout=300)
        assert (stage.returncode, digest(place)) == (0, wanted), said


def test_a_worker_without_room_for_a_file_keeps_its_results_in_memory(place, scheduler):
    """Each result should be spilled at once; the limit of a file's size makes that fail like a full disk."""
    wanted, small = digest(place), ("prlimit", "--fsize=1000")
    options = ("--nthreads=1", "--memory-limit=8GB", "--dashboard-address=127.0.0.1:0")
    spills = {"DASK_DISTRIBUTED__WORKER__MEMORY__TARGET": "1e-9"}
    worker = start(WORKER, scheduler[0], *options, before=small, **spills)
    try:
        stage = preprocess(place, DASK_SCHEDULER_ADDRESS=scheduler[0])
        _, said = stage.communicate(timeout=300)
    finally:
        said_by_worker = stop(worker)

    assert (stage.returncode, digest(place)) == (0, wanted), said
    assert "Spill to disk failed; keeping data in memory" in said_by_worker


def test_a_row_that_breaks_its_declaration_is_named_by_file_row_and_column(place):
    wanted, path = digest(place), place / "data/raw/flights/2013-05.parquet"
    whole = path.read_bytes()
    table = pq.read_table(path)
    distances = pa.array([-5, *table["distance"].to_pylist()[1:]])
    pq.write_table(table.set_column(table.column_names.index("distance"), "distance", distances), path)
    said = []
    for settings in ({"COMPUTE_ENGINE": "local"}, {"DASK_WORKERS": "2"}):
        stage = preprocess(place, **settings)
        said.append((stage.communicate()[1], stage.returncode, digest(place)))
    path.write_bytes(whole)

    assert said[0] == said[1]
    assert said[0][1:] == (1, wanted)
    file = r"in the examples of data/raw/flights/2013-05\.parquet"
    rule = rf"{file}: distance should be at least 10; .* row 15: -5\.0\. "
    assert re.match(rf"error: Table of examples does not match its declaration: {rule}", said[0][0])


def test_a_stage_that_failed_under_dvc_is_run_again_to_the_same_lock(project, scheduler):
    """Without workers in time the stage fails, after DVC has taken its outputs away."""
    (project / "conf/compute.yaml").write_text("worker_seconds: 1\n")
    command = ("dvc", "repro", "--single-item", "--force")
    settings = penguins.environment(project)
    failed = subprocess.run(
        [*command, "preprocess"],
        cwd=project,
        env=settings | {"DASK_SCHEDULER_ADDRESS": scheduler[0]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert failed.returncode != 0
    assert f"error: The scheduler at {scheduler[0]} should have workers; it has had none for 1 s." in failed.stderr

    for stage in ("preprocess", "evaluate"):
        subprocess.run([*command, stage], cwd=project, env=settings | {"DASK_WORKERS": "2"}, capture_output=True, check=True)

    assert penguins.run(project, "dvc", "status") == "Data and pipelines are up to date.\n"
    assert penguins.run(project, "git", "status", "--short", "dvc.lock", "data") == ""
