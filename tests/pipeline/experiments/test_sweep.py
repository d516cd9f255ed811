"""A sweep on the penguins with DVC's own queue and MLflow: experiments and runs name each other, and the best is applied."""

import json
import re
import signal
import subprocess
import sys
import time

import mlflow
import psutil
import pytest

import in_process
from penguins import command_in, environment, run
from pipeline.config.params_file import CONF, load_mapping
from pipeline.config.parsing import parse_settings
from pipeline.experiments import dvc_queue, listing, sweep
from pipeline.experiments.listing import Trial
from pipeline.params import compose
from pipeline.support.errors import OntimeError, ParamsInvalid
from pipeline.versioning import dvc
from pipeline.versioning.committed import NotCommitted
from pipeline.versioning.revision import CommitMissing

SWEEP = ("python", "-m", "pipeline.experiments.sweep")
SEARCH = ("--metric", "brier", "model=logistic", "model.C=choice(0.001,1.0)")


@pytest.fixture(scope="module")
def swept(project):
    """What a sweep of two experiments printed; the better one is applied to the working tree."""
    done = command_in(project, *SWEEP, *SEARCH)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def found(project, swept):
    """Both experiments as DVC shows them, the better one first: name, commit, parameters, and its score."""
    experiments = [one["revs"][0] | {"name": one["name"]} for one in shown(project)]
    for one in experiments:
        one["model"] = one["data"]["params"]["params.yaml"]["data"]["model"]
        one["brier"] = one["data"]["metrics"]["data/report/validation.json"]["data"]["brier"]
    return sorted(experiments, key=lambda one: one["brier"])


@pytest.fixture
def clean(project, swept):
    if run(project, "git", "status", "--porcelain"):  # the best is applied
        run(project, "git", "restore", "--staged", "--worktree", ".")
        run(project, "dvc", "checkout", "--quiet")
    return project


def shown(folder):
    """The experiments of HEAD."""
    return json.loads(run(folder, "dvc", "exp", "show", "--json"))[-1]["experiments"] or []


@pytest.fixture
def command(project, swept, monkeypatch):
    """A function that does what the command does in this repository, but in this process: it raises the sentence."""
    monkeypatch.chdir(project)
    monkeypatch.setattr(dvc_queue, "POLL_SECONDS", 0.1)
    for name, value in environment(project).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(dvc, "execute", in_process.execute_dvc)
    handlers, uri = [(one, signal.getsignal(one)) for one in (signal.SIGINT, signal.SIGTERM)], mlflow.get_tracking_uri()

    def do(*words):
        monkeypatch.setattr(sys, "argv", ["sweep", *words])
        sweep.main()

    yield do
    mlflow.set_tracking_uri(uri)
    for number, handler in handlers:
        signal.signal(number, handler)


def test_each_point_is_an_experiment_that_names_its_run_and_is_named_by_it(project, swept, found):
    store = mlflow.MlflowClient(f"sqlite:///{project.parent / 'mlflow.db'}")
    for one in found:
        (identity,) = re.findall(rf"│ {one['name']} .*│ ([0-9a-f]{{32}}) │", swept.stdout)
        logged = store.get_run(identity)
        assert logged.data.tags["DVC_EXP_NAME"] == one["name"]
        assert logged.info.run_name == f"logistic {one['name']}"
        assert logged.data.params["model.C"] == str(one["model"]["C"])
    assert {one["model"]["C"] for one in found} == {0.001, 1.0}


def test_the_table_starts_with_the_best_in_validation(swept, found):
    names = re.findall(r"^│ ([a-z][^ ]*) ", swept.stdout, re.MULTILINE)

    assert names[0] == found[0]["name"]
    assert names.index(found[1]["name"]) > 0
    assert all(f" {one['brier']:.6f} │" in swept.stdout for one in found)
    assert "the test period chooses nothing" in swept.stderr


def test_the_best_is_applied_with_the_keys_that_go_into_conf(project, swept, found):
    best = found[0]

    assert json.loads((project / "data/report/validation.json").read_text())["brier"] == best["brier"]
    assert f"C: {best['model']['C']}\n" in (project / "params.yaml").read_text()
    assert f"{best['name']} is applied" in swept.stderr
    kept = re.search(r"write into conf/\n(.*)\n  and commit", swept.stderr, re.DOTALL)[1]
    assert kept.splitlines() == [
        "    model: logistic in the defaults of conf/config.yaml",
        f"    model.C: {best['model']['C']}",
    ]


def test_a_sweep_starts_from_a_commit_alone(command):
    with pytest.raises(
        NotCommitted, match=r"^A sweep starts from the commit that .*; \d+ files have changed since \w{9}, such as "
    ):
        command()


def test_what_has_an_experiment_is_not_run_again(clean, command, found, capsys):
    command(*SEARCH, "--no-apply")

    printed = capsys.readouterr().err
    assert "2 points: 0 to run, 2 with an experiment" in printed
    assert f"`dvc exp apply {found[0]['name']}` takes it, with its report data/report/report.html." in " ".join(
        printed.split()
    )
    assert run(clean, "git", "status", "--porcelain") == ""


def test_experiments_are_listed_without_running_any(command, swept, capsys):
    command("--list=HEAD", "--metric=brier")

    assert capsys.readouterr().out == swept.stdout


def test_a_commit_that_is_not_here_is_a_sentence_of_ours(command):
    with pytest.raises(
        CommitMissing, match=r"^REV should be a branch, tag or commit; there is no nosuch here\. `git fetch` b"
    ):
        command("--list=nosuch")


@pytest.mark.parametrize(
    ("search", "fault"),
    [
        ("model.max_iter=choice(5,0)", "model.max_iter is 0"),
        ("model.tres=choice(5,6)", "tres"),
        ("model=hgb", "A sweep needs experiments that end well, of points that are not committed"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_any_is_queued(clean, command, found, search, fault, monkeypatch):
    monkeypatch.setattr(dvc_queue, "enqueue", lambda point: pytest.fail(f"{point} is queued"))

    with pytest.raises(OntimeError, match=fault):
        command(search)


def test_data_that_are_not_those_of_the_commit_are_refused(clean, command, found):
    (clean / "data/model/model.onnx").rename(clean / "aside")
    try:
        with pytest.raises(
            NotCommitted,
            match=r"; train, evaluate would run again or lack their outputs\. Type `dvc checkout` or `dvc pull`",
        ):
            command(*SEARCH)
    finally:
        (clean / "aside").rename(clean / "data/model/model.onnx")


def test_a_table_that_a_point_chooses_and_git_does_not_have_is_told_before_any_is_queued(clean, command, found, monkeypatch):
    monkeypatch.setattr(dvc_queue, "enqueue", lambda point: pytest.fail(f"{point} is queued"))

    with pytest.raises(NotCommitted, match=r"; data/new\.csv is in no commit\. Add and commit it"):
        command("data.source.path=data/new.csv", "model=logistic", "model.C=choice(0.5,1)")


def test_a_table_that_git_does_not_have_is_told_before_any_is_queued(clean, command, found, monkeypatch):
    """An experiment runs in a folder that DVC fills from the commit alone."""
    monkeypatch.setattr(dvc_queue, "enqueue", lambda point: pytest.fail(f"{point} is queued"))
    run(clean, "git", "rm", "--quiet", "--cached", "tests/pipeline/penguins.csv")
    run(clean, "git", "commit", "--quiet", "--message", "Without the table")
    try:
        with pytest.raises(NotCommitted, match=r"; tests/pipeline/penguins\.csv is in no commit\. Add and commit it"):
            command(*SEARCH)
    finally:
        run(clean, "git", "reset", "--quiet", "--mixed", "HEAD~1")


def test_ctrl_c_ends_what_runs_empties_the_queue_and_keeps_what_is_done(clean, found):
    running = in_training(clean)
    running.send_signal(signal.SIGINT)
    rest = running.communicate(timeout=120)[1]

    assert running.returncode == 1
    assert "Stopped before the end." in rest
    assert [one for one in inside(clean) if "queue-worker" not in one.info["cmdline"]] == []
    assert [one["executor"]["state"] for one in shown(clean) if one["executor"]["state"] in ("queued", "running")] == []
    assert {one["name"] for one in found} <= {one["name"] for one in shown(clean)}
    assert run(clean, "git", "status", "--porcelain") == ""


@pytest.mark.long("the death of all workers of a sweep")
def test_experiments_whose_worker_died_have_failed_and_the_others_go_on(clean, found):
    """Also where a worker died while it made the folder of an experiment, on which `dvc exp show` says "Empty git repo"."""
    running = in_training(clean, "model.max_iter=choice(4000,4500,11)")
    for one in inside(clean):
        if one.pid != running.pid and one.ppid() != running.pid:
            one.kill()
    for folder in (clean / ".dvc/tmp/exps").glob("tmp*"):
        (folder / ".git/HEAD").write_text("ref: refs/heads/none\n")
    assert "Empty git repo" in command_in(clean, "dvc", "exp", "show", "--json").stderr
    rest = running.communicate(timeout=400)[1]

    assert running.returncode == 0, rest
    assert re.search(r"warning: All workers died, and .+ with them; others start\.", rest)
    assert re.search(r"warning: .+ failed; `dvc queue logs .+` says why", rest)
    assert any(
        one["revs"][0]["data"]["params"]["params.yaml"]["data"]["model"].get("max_iter") == 11 for one in shown(clean)
    )


def in_training(folder, search="model.max_iter=choice(4000,4500,5000)"):
    """A sweep of which one experiment at least is in training, for longer than any test takes."""
    command = [*SWEEP, "--no-apply", "--metric=brier", search, "model.min_samples_leaf=2"]
    running = subprocess.Popen(command, cwd=folder, env=environment(folder), stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if any("pipeline.stages.train" in " ".join(one.info["cmdline"] or []) for one in inside(folder)):
            return running
        time.sleep(0.2)
    raise AssertionError(running.communicate(timeout=10)[1])


def inside(folder):
    """The processes that work in the folder."""
    everywhere = psutil.process_iter(["cwd", "cmdline"])
    return [one for one in everywhere if (one.info["cwd"] or "").startswith(str(folder))]


# What needs no queue.


def experiment(name, state="success", code=None, brier=0.1, **params):
    return Trial(name, name, state, params, {"brier": brier} if state in ("success", "committed") else {}, {}, code or {})


def test_make_hands_each_word_of_a_search_on_as_it_is():
    command = ["make", "--dry-run", "sweep", "SWEEP=model=hgb model.C=choice(1,2) --no-apply"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert printed.endswith("python -m pipeline.experiments.sweep 'model=hgb' 'model.C=choice(1,2)' '--no-apply'\n")


def test_the_committed_search_has_at_least_twelve_points_beside_the_committed_one():
    search = parse_settings(sweep.SweepSettings, load_mapping(CONF / "sweep.yaml"))
    committed = dict(sweep.compose.leaves(compose.compose()))

    assert len([values for values in compose.grid(search.overrides).values() if values != committed]) >= 12
    assert search.at_once == 2


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("metric", "accuracy", r"metric is 'accuracy'"),
        ("at_once", 0, r"at_once is 0"),
        ("overrides", [], r"overrides is \[\]"),
        ("override", ["a=1"], r"override is not a setting"),
    ],
)
def test_a_faulty_search_is_refused_by_key_and_file(key, value, fault):
    values = {**load_mapping(CONF / "sweep.yaml"), key: value}

    with pytest.raises(ParamsInvalid, match=rf"^conf/sweep\.yaml does not hold .*{fault}.*Correct it there\.$"):
        parse_settings(sweep.SweepSettings, values, file=str(sweep.FILE))


def test_points_that_have_an_experiment_or_are_committed_do_not_run():
    plan = {(f"leaves={leaves}",): {"leaves": leaves} for leaves in (3, 7, 15, 31, 63)}
    existing = [
        experiment("done", leaves=3),
        experiment("waits", "queued", leaves=7),
        experiment("broke", "failed", leaves=15),
    ]

    names, missing = sweep.divided(plan, experiment("committed", "committed", leaves=31), existing)

    assert (names, missing) == (["done", "waits"], [("leaves=15",), ("leaves=63",)])


def test_an_experiment_of_other_code_runs_again():
    plan = {("leaves=3",): {"leaves": 3}, ("leaves=7",): {"leaves": 7}}
    committed = experiment("committed", "committed", {"src/a.py": "aa"}, leaves=31)
    existing = [
        experiment("dirty", code={"src/a.py": "bb"}, leaves=3),
        experiment("same", code={"src/a.py": "aa"}, leaves=7),
    ]

    assert sweep.divided(plan, committed, existing) == (["same"], [("leaves=3",)])


@pytest.fixture
def chosen(monkeypatch, capsys):
    """A function that chooses among experiments, and gives what it applied and what it said."""
    applied = []
    monkeypatch.setattr(listing, "show", lambda *_: None)
    monkeypatch.setattr(dvc, "run", lambda *words: applied.append(words))

    def choose(*experiments, committed=0.2, point=("a=1", "+b.c=2", "b.d=3")):
        commit = experiment("committed", "committed", brier=committed, **{"a.name": "0", "b.d": 3})
        sweep.choose(commit, experiments, "brier", {point: experiments[-1].params} if experiments else {})
        return applied, capsys.readouterr().err

    return choose


def test_a_sweep_that_finds_nothing_better_applies_nothing(chosen):
    applied, said = chosen(experiment("worse", brier=0.3))

    assert applied == []
    assert "No experiment has a better brier in validation than what is committed: nothing to apply." in said


def test_the_best_is_applied_and_what_is_not_committed_is_said_key_by_key(chosen):
    applied, said = chosen(experiment("bad", "failed"), experiment("good", a=1))

    assert applied == [("exp", "apply", "good")]
    assert said.splitlines()[1:-1] == ["    a: 1 in the defaults of conf/config.yaml", "    b.c: 2"]


@pytest.mark.parametrize("experiments", [[], [experiment("bad", "failed")]], ids=["none", "failed"])
def test_a_sweep_in_which_nothing_ends_well_fails(chosen, experiments):
    with pytest.raises(sweep.SweepFailed, match="needs experiments that end well"):
        chosen(*experiments)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_an_experiment_that_is_queued_has_its_name(number, monkeypatch):
    """DVC changes params.yaml to queue a point and puts it back: it is not cut off."""
    stopped, before = [], [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]

    def enqueue(point):
        signal.raise_signal(number)
        return ["named"]

    monkeypatch.setattr(dvc_queue, "enqueue", enqueue)
    monkeypatch.setattr(dvc_queue, "stop", stopped.append)
    try:
        with pytest.raises(sweep.SweepFailed, match=r"^Stopped before the end\."):
            sweep.run([("a=1",), ("a=2",)], ["earlier"], 2)
    finally:
        for one, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(one, handler)

    assert stopped == [["earlier", "named"]]
