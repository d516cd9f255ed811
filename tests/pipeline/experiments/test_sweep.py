"""A sweep on the penguins with DVC's own queue and MLflow: experiments and runs name each other, and the best is applied."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import mlflow
import psutil
import pytest

from penguins import command_in, environment, run
from pipeline.experiments import dvc_queue, listing, sweep, trials
from pipeline.experiments.trials import Trial
from pipeline.experiments.worker_pool import WorkerPool, WorkersCrashed

SWEEP = ("python", "-m", "pipeline.experiments.sweep")
SEARCH = ("--metric", "brier", "model=logistic", "model.inverse_penalty=choice(0.001,1.0)")


@pytest.fixture(scope="module")
def swept(project):
    """What a sweep of two experiments printed; the better one is applied to the working tree."""
    done = command_in(project, *SWEEP, *SEARCH)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def found(project, swept):
    return trials.read(json.loads(run(project, "dvc", "exp", "show", "--json")))[1]


def said(done):
    """The one sentence of a command that failed as a person should see it."""
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr[done.stderr.index("error: ") :].split())


def test_every_point_is_an_experiment_that_succeeded(found):
    assert {one.params["model.inverse_penalty"] for one in found} == {0.001, 1.0}
    assert {one.state for one in found} == {"success"}


def test_each_experiment_names_its_run_and_each_run_its_experiment(project, swept, found):
    store = mlflow.MlflowClient(f"sqlite:///{project.parent / 'mlflow.db'}")
    for one in found:
        noted = run(project, "git", "log", "--notes=mlflow", "-1", "--format=%N", one.rev)
        identity = re.fullmatch(r"mlflow run ([0-9a-f]{32})", noted.strip())[1]
        logged = store.get_run(identity)
        assert logged.data.tags["DVC_EXP_NAME"] == logged.info.run_name == one.name
        assert logged.data.params["model.inverse_penalty"] == str(one.params["model.inverse_penalty"])
        assert re.search(rf"│ {one.name} +│ {identity} │", swept.stdout)


def test_both_tables_fit_their_line_and_start_with_the_best(swept, found):
    best, worse = trials.ranked(found, "brier")
    dvc, ours = swept.stdout.split("┏")

    for table in (dvc, ours):
        assert max(map(len, table.splitlines())) <= 120
        assert table.index(best.name) < table.index(worse.name)
    for one in (best, worse):
        assert f"{one.score('brier'):.6f} │" in ours
    assert "the test period chooses nothing" in swept.stdout


def test_the_best_is_applied_with_the_keys_that_go_into_conf(project, swept, found):
    best = trials.best(found, "brier")
    metrics = json.loads((project / "data/report/validation.json").read_text())

    assert metrics["brier"] == best.score("brier")
    assert f"inverse_penalty: {best.params['model.inverse_penalty']}\n" in (project / "params.yaml").read_text()
    assert f"{best.name} is applied" in swept.stderr
    kept = re.search(r"write into conf/\n(.*)\n  then type", swept.stderr, re.DOTALL)[1]
    assert kept.splitlines() == [
        "    model: logistic in the defaults of conf/config.yaml    (was hgb)",
        f"    model.inverse_penalty: {best.params['model.inverse_penalty']}    (was nothing)",
    ]


def test_a_sweep_starts_from_a_commit_alone(project, swept):
    assert "A sweep starts from a commit; " in said(command_in(project, *SWEEP))


@pytest.fixture
def clean(project, swept):
    run(project, "git", "restore", "--staged", "--worktree", ".")
    run(project, "dvc", "checkout", "--quiet")
    return project


def test_what_has_an_experiment_is_not_run_again(clean, found):
    again = command_in(clean, *SWEEP, *SEARCH, "--no-apply")

    assert "2 points: 0 to run, 2 with an experiment" in again.stderr
    assert f"`dvc exp apply {trials.best(found, 'brier').name}` takes it" in again.stderr
    assert run(clean, "git", "status", "--porcelain") == ""


def test_experiments_are_listed_without_running_any(clean, swept):
    assert run(clean, "python", "-m", "pipeline.experiments.listing", "--metric", "brier") == swept.stdout


def test_a_commit_that_is_not_here_is_a_sentence_of_ours(clean):
    sentence = said(command_in(clean, "python", "-m", "pipeline.experiments.listing", "--rev=nosuch"))

    assert sentence.startswith("error: REV should be a branch, tag or commit; there is no nosuch here. `git fetch` brings")


def test_a_faulty_point_is_refused_before_any_is_queued(clean, found):
    sentence = said(command_in(clean, *SWEEP, "model.trees=choice(5,0)"))

    assert "model.trees is 0" in sentence
    assert len(json.loads(run(clean, "dvc", "exp", "show", "--json"))[-1]["experiments"]) == len(found)


def test_a_search_of_nothing_but_what_is_committed_is_refused(clean):
    assert "A sweep needs a point that is not committed" in said(command_in(clean, *SWEEP, "model=hgb"))


def test_ctrl_c_ends_what_runs_empties_the_queue_and_keeps_what_is_done(clean, found):
    search = ("model.trees=choice(4000,4500,5000)", "model.rows_per_leaf=2")
    running = subprocess.Popen([*SWEEP, *search], cwd=clean, env=environment(clean), stderr=subprocess.PIPE, text=True)
    for _ in range(400):
        if any("pipeline.stages.train" in " ".join(one.info["cmdline"] or []) for one in inside(clean)):
            break
        time.sleep(0.2)
    running.send_signal(signal.SIGINT)
    rest = running.communicate(timeout=120)[1]

    assert running.returncode == 1
    assert "Stopped before the end: 0 of 3 experiments are done and stay" in rest
    for _ in range(100):
        if not (left := [one for one in inside(clean) if "queue-worker" not in one.info["cmdline"]]):
            break
        time.sleep(0.2)
    assert left == []
    _, known = trials.read(json.loads(run(clean, "dvc", "exp", "show", "--json")))
    assert [one.state for one in known if one.state in trials.WAITING] == []
    assert {one.name for one in found} <= {one.name for one in known}
    assert run(clean, "git", "status", "--porcelain") == ""


def test_experiments_whose_worker_died_have_failed_and_the_others_go_on(clean, found):
    search = ("--no-apply", "--metric", "brier", "model.trees=choice(4000,4500,11)")
    running = subprocess.Popen([*SWEEP, *search], cwd=clean, env=environment(clean), stderr=subprocess.PIPE, text=True)
    for _ in range(400):
        if any("pipeline.stages.train" in " ".join(one.info["cmdline"] or []) for one in inside(clean)):
            break
        time.sleep(0.2)
    for one in inside(clean):
        if one.pid != running.pid:
            one.kill()
    said = running.communicate(timeout=240)[1]

    assert running.returncode == 0, said
    assert re.search(r"warning: All workers died, and .+ with them; others start\.", said)
    assert re.search(r"warning: .+ failed; `dvc queue logs .+` says why", said)
    assert run(clean, "git", "status", "--porcelain") == ""


def inside(folder):
    """The processes that work in the folder."""
    everywhere = psutil.process_iter(["cwd", "cmdline"])
    return [one for one in everywhere if (one.info["cwd"] or "").startswith(str(folder))]


# What needs no queue.


def experiment(name, state, code=None, **params):
    return Trial(name, name, state, params, {}, {}, code or {})


def test_make_hands_each_word_of_a_search_on_as_it_is():
    command = ["make", "--dry-run", "sweep", "SWEEP=model=hgb model.leaves=choice(15,31) --no-apply"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert printed.endswith("python -m pipeline.experiments.sweep 'model=hgb' 'model.leaves=choice(15,31)' '--no-apply'\n")


def test_points_that_have_an_experiment_or_are_committed_do_not_run():
    plan = {(f"leaves={leaves}",): {"leaves": leaves} for leaves in (3, 7, 15, 31, 63)}
    committed = experiment("committed", "committed", leaves=31)
    known = [
        experiment("done", "success", leaves=3),
        experiment("waits", "queued", leaves=7),
        experiment("broke", "failed", leaves=15),
    ]

    assert sweep.sorted_out(plan, committed, known) == (["done", "waits"], [("leaves=15",), ("leaves=63",)])


def test_an_experiment_of_other_code_runs_again():
    plan = {("leaves=3",): {"leaves": 3}, ("leaves=7",): {"leaves": 7}}
    committed = experiment("committed", "committed", {"src/a.py": "aa"}, leaves=31)
    known = [
        experiment("dirty", "success", {"src/a.py": "bb"}, leaves=3),
        experiment("same", "success", {"src/a.py": "aa"}, leaves=7),
    ]

    assert sweep.sorted_out(plan, committed, known) == (["same"], [("leaves=3",)])


@pytest.fixture
def crew(monkeypatch):
    """A crew of two whose workers answer as ``alive`` says, and what was done to the queue."""
    done, alive = [], []
    monkeypatch.setattr(dvc_queue, "workers", lambda: alive.pop(0))
    monkeypatch.setattr(dvc_queue, "start", lambda size: done.append(("start", size)))
    monkeypatch.setattr(dvc_queue, "abandon", lambda names: done.append(("abandon", *names)))
    return WorkerPool(2), alive, done


def test_a_crew_is_replaced_where_nobody_answers_twice_and_given_up_at_the_third_time(crew):
    looks, alive, done = crew
    known = [experiment("a", "running"), experiment("b", "queued")]
    alive += [0, 1, 0, 0, 0, 0]
    for _ in range(6):
        looks.look(known)
    assert done == [("abandon", "a"), ("start", 2)] * 2

    alive += [0, 0]
    looks.look(known)
    with pytest.raises(WorkersCrashed, match="all of them died, 3 times"):
        looks.look(known)
    assert done[-1] == ("abandon", "a")


def test_dvc_is_asked_again_while_it_takes_away_what_a_killed_experiment_leaves(monkeypatch):
    answers = ["", "", json.dumps([{"rev": "abcdefghij", "name": None, "data": None, "experiments": None}])]

    def run(*_command):
        if answer := answers.pop(0):
            return answer
        raise dvc_queue.CommandFailed("directory '.dvc/tmp/exps/tmp1' does not exist")

    monkeypatch.setattr(dvc_queue, "_run", run)
    monkeypatch.setattr(dvc_queue, "SHOW_WAIT_SECONDS", 0)

    assert dvc_queue.show()[0].rev == "abcdefghij"
    answers += [""] * dvc_queue.SHOW_ATTEMPTS
    with pytest.raises(dvc_queue.CommandFailed, match="does not exist"):
        dvc_queue.show()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_an_experiment_that_is_queued_has_its_name(number):
    """Also where another thread, as the one that draws progress, takes it, and from the process of a terminal."""
    code = """
import signal, subprocess, sys, threading, time
from pipeline.experiments import dvc_queue
threading.Thread(target=time.sleep, args=(3,), daemon=True).start()
names = []
try:
    with dvc_queue.undisturbed():
        print("begun", flush=True)
        names.append(dvc_queue._run("sh", "-c", "sleep 1; echo named"))
except KeyboardInterrupt:
    print("stopped with", names)
"""
    started = "import signal; signal.signal(signal.SIGTERM, signal.default_int_handler)\n" + code
    running = subprocess.Popen(
        [sys.executable, "-c", started],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": "src"},
    )
    assert running.stdout.readline() == "begun\n"
    time.sleep(0.5)  # until the command has a session of its own
    os.killpg(running.pid, number)

    assert running.communicate(timeout=20)[0] == "stopped with ['named\\n']\n"


def test_points_that_compose_to_the_same_are_one():
    assert list(sweep.composed(["model=hgb,hgb", "train.seed=1,2"])) == [
        ("model=hgb", "train.seed=1"),
        ("model=hgb", "train.seed=2"),
    ]


def test_a_failed_experiment_is_named_with_its_log(monkeypatch, capsys):
    known = [experiment("good", "success"), experiment("bad", "failed")]
    monkeypatch.setattr(dvc_queue, "show", lambda: (experiment("committed", "committed"), known))

    how = sweep.Search(("a=1",), "roc_auc", 2)
    assert sweep._finished(["good", "bad", "gone"], how) == known
    printed = capsys.readouterr().err
    assert "warning: bad failed; `dvc queue logs bad` says why." in printed
    assert "warning: gone: somebody took them out of the queue." in printed


QUESTION, OTHER = {"data.name": "things"}, {"data.name": "others"}


def test_what_is_not_ranked_is_counted_by_why():
    committed, same = experiment("committed", "committed", **QUESTION), experiment("same", "success", **QUESTION)
    found = [same, *(experiment(state, state, **OTHER) for state in ("success", "failed", "failed", "queued", "running"))]

    assert list(listing.left_out(committed, found, [committed, same])) == [
        "1 answer another question, or on other rows, and do not compare: `dvc exp show` has them.",
        "2 failed: `dvc queue logs NAME` says why, and `dvc queue remove --failed` takes them away.",
        "2 still to come: queued, or running.",
    ]
    (line,) = listing.left_out(committed, found[1:2], found[1:2])
    assert line.startswith("What is committed answers another question")


def test_what_was_turned_comes_before_what_a_group_brings_along_and_the_data_last():
    committed = experiment("committed", "committed", **{"data.source.path": "a", "kind": "hgb", "rate": 0.1, "trees": 9})
    found = [
        experiment("a", "success", **{"data.source.path": "b", "kind": "hgb", "rate": 0.1, "trees": 5}),
        experiment("b", "success", **{"data.source.path": "a", "kind": "logistic", "penalty": 1.0}),
    ]

    turned = listing.turned(committed, [committed, *found])

    assert turned == ["kind", "trees", "rate", "penalty", "data.source.path"]


def test_a_row_is_left_out_of_dvcs_table_with_all_its_lines():
    lines = [" ──── ", "  Experiment ", " ──── ", "  main "]
    lines += ["  ├── 1111111 [a] ", "  ├── 2222222   1 ", "  │   [b]       2 ", "  └── 3333333 [c] ", " ──── ", ""]
    table = "\n".join(lines)

    assert dvc_queue.table_without(table, []) == table
    assert dvc_queue.table_without(table, ["2222222", "3333333"]).splitlines()[3:] == [
        "  main ",
        "  └── 1111111 [a] ",
        " ──── ",
    ]


def test_a_sweep_of_several_questions_chooses_none(monkeypatch):
    monkeypatch.setattr(listing, "show", lambda *_, **__: None)
    found = [replace(experiment(name, "success", **{"data.name": name}), validation={"brier": 0.1}) for name in "ab"]

    with pytest.raises(sweep.SweepFailed, match="these answer several, none of them that of what is committed"):
        sweep._report({}, experiment("c", "committed", **QUESTION), found, sweep.Search(("a=1",), "brier", 2), apply=True)


def test_a_sweep_of_failures_fails(capsys):
    how = sweep.Search(("a=1",), "roc_auc", 2)

    with pytest.raises(sweep.SweepFailed, match=r"should have roc_auc in data/report/validation\.json; none has"):
        sweep._report({}, experiment("committed", "committed"), [experiment("odd", "success")], how, apply=True)
    with pytest.raises(sweep.SweepFailed, match="none did"):
        sweep._report({}, experiment("committed", "committed"), [experiment("bad", "failed")], how, apply=True)
