"""The command that judges a change, run on changes that are committed in a temporary clone of this repository."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import in_process
from clones import cloned, environment, git

INTERVALS = Path("data/report/intervals.json")


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A clone of HEAD, on a branch main whose metrics are known."""
    clone = cloned(tmp_path_factory.mktemp("diff") / "clean")
    git("checkout", "--quiet", "-B", "main", at=clone)
    ends = {"value": 0.77, "low": 0.75, "high": 0.79}
    write_metrics(clone, dict.fromkeys(json.loads(INTERVALS.read_text()), ends))
    commit(clone, "Know the metrics")
    return clone


@pytest.fixture
def clone(clean, tmp_path):
    """A clone of that with a branch of its own, on which a test commits its change."""
    git("clone", "--quiet", str(clean), str(tmp_path / "clone"))
    git("checkout", "--quiet", "-b", "change", at=tmp_path / "clone")
    return tmp_path / "clone"


def commit(clone, subject="Change it"):
    git("-c", "user.name=tests", "-c", "user.email=tests@example.org", "commit", "-qam", subject, at=clone)


def change_metrics(clone, **by):
    """Commits metrics that moved by so much; None takes one away."""
    found = json.loads((clone / INTERVALS).read_text())
    for name, much in by.items():
        moved = {} if much is None else {name: {end: value + much for end, value in found[name].items()}}
        found = {**{other: ends for other, ends in found.items() if other != name}, **moved}
    write_metrics(clone, found)
    commit(clone)


def write_metrics(clone, found):
    """Writes the metrics of the test period as if `evaluate` had: dvc.lock knows them."""
    text = json.dumps(found)
    (clone / INTERVALS).write_text(text)
    lock = yaml.safe_load((clone / "dvc.lock").read_text())
    (out,) = (one for one in lock["stages"]["evaluate"]["outs"] if one["path"] == str(INTERVALS))
    out |= {"md5": hashlib.md5(text.encode()).hexdigest(), "size": len(text)}
    (clone / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))


def run(clone, *command):
    return subprocess.run(command, cwd=clone, env=environment(clone.parent), capture_output=True, text=True, check=False)


def diff(clone, *arguments):
    return in_process.run("diff.__main__", *arguments, folder=clone, environment=environment(clone.parent))


def test_a_model_that_is_worse_by_0_005_auc_fails_and_says_why_on_both_outputs(clone):
    change_metrics(clone, roc_auc=-0.005)

    done = diff(clone, "main")

    assert done.returncode == 1
    assert done.stdout.startswith("**The change fails**")
    assert "- `roc_auc` is 0.7650, 0.00500 worse than 0.7700 (0.003 tolerated)\n" in done.stdout
    assert "error: A change should leave every metric within its tolerance; roc_auc is 0.7650, 0.00500 worse" in done.stderr


def test_a_change_cannot_loosen_what_it_is_judged_by(clone):
    gate = clone / "conf/gate.yaml"
    gate.write_text(gate.read_text().replace("roc_auc: 0.003", "roc_auc: 0.9"))
    change_metrics(clone, roc_auc=-0.005)

    done = diff(clone, "main")

    assert done.returncode == 1
    assert "0.00500 worse than 0.7700 (0.003 tolerated)" in done.stdout
    assert "`conf/gate.yaml` itself changed: each metric was judged by the smaller of both tolerances." in done.stdout


@pytest.mark.parametrize("by", [{"roc_auc": -0.0008, "brier": 0.0003}, {"roc_auc": 0.02, "brier": -0.01}], ids=str)
def test_a_change_within_the_noise_or_for_the_better_passes(clone, by):
    change_metrics(clone, **by)

    done = diff(clone, "main")

    assert (done.returncode, done.stdout.startswith("**The change passes**")) == (0, True), done.stderr


def test_a_metric_that_was_deleted_fails_by_name(clone):
    change_metrics(clone, f1=None, brier=None)

    done = diff(clone, "main")

    assert done.returncode == 1
    assert "- `brier` was 0.7700 and is not there\n- `f1` was 0.7700 and is not there\n" in done.stdout


def test_metrics_that_were_deleted_as_a_whole_fail_and_so_does_a_file_that_holds_none(clone):
    write_metrics(clone, {})
    commit(clone)
    gone = diff(clone, "main")
    (clone / INTERVALS).write_text('{"roc_auc": "good"}')
    faulty = diff(clone, "main")

    assert gone.returncode == faulty.returncode == 1
    assert "- `roc_auc` was 0.7700 and is not there" in gone.stdout
    assert (
        "data/report/intervals.json of the working tree should hold numbers, or value, low and high, by metric;"
        in faulty.stderr
    )


def test_a_base_that_holds_its_intervals_in_metrics_json_is_compared_too(clone):
    metrics, scores = (clone / INTERVALS).with_name("metrics.json"), json.loads((clone / INTERVALS).read_text())
    point_values = metrics.read_text()
    (clone / INTERVALS).rename(metrics)
    commit(clone, "An older version")
    metrics.write_text(point_values)
    write_metrics(clone, scores | {"roc_auc": {"value": 0.5, "low": 0.4, "high": 0.6}})
    git("add", str(INTERVALS), at=clone)
    commit(clone)

    assert "- `roc_auc` is 0.5000, 0.27000 worse than 0.7700 (0.003 tolerated)\n" in diff(clone, "HEAD~1").stdout


def test_a_change_that_is_not_reproduced_is_not_judged(clone):
    model = clone / "conf/model/hgb.yaml"
    model.write_text(model.read_text().replace("max_iter: 400", "max_iter: 40"))
    composed = diff(clone, "main")
    params = clone / "params.yaml"
    params.write_text(params.read_text().replace("max_iter: 400", "max_iter: 40"))
    done = diff(clone, "main", "--output", "said/change.md")
    page = (clone / "said/change.md").read_text()

    assert (composed.returncode, done.returncode, done.stdout) == (1, 1, ""), done.stderr
    assert composed.stdout.startswith("**Not judged**: ")
    assert "Type `make params repro`: `params.yaml: not what conf/ composes to`." in composed.stdout
    assert page.startswith("**Not judged**: ")
    assert "| `model.max_iter` | `400` | `40` |" in page
    assert "and the uncommitted changes in `conf/model/hgb.yaml`, `params.yaml`" in page
    assert "`train: " in page
    assert "error: A change is judged by the results of its own code and settings; those in data/ are older" in done.stderr


def test_results_that_dvc_lock_does_not_know_are_not_judged(clone):
    (clone / INTERVALS).write_text(json.dumps(dict.fromkeys(json.loads((clone / INTERVALS).read_text()), 0.99)))
    commit(clone)

    done = diff(clone, "main")

    assert done.returncode == 1
    assert "`evaluate: data/report/intervals.json`" in done.stdout.splitlines()[0]


def test_curves_and_slices_are_compared_with_those_of_the_base(clone):
    plots = clone / "data/report/plots"
    (plots / "roc.csv").write_text("false_positive_rate,true_positive_rate\n0.0,0.0\n1.0,1.0\n")
    lines = (plots / "slices.csv").read_text().splitlines(keepends=True)
    (plots / "slices.csv").write_text("".join(line for line in lines if ",EWR," not in line))

    page = diff(clone, "main").stdout

    assert page.count("```mermaid") == 1
    assert "Calibration: the same." in page
    assert ", 1 only in the base, 0 only in head." in page


def test_head_is_compared_with_where_it_left_the_base_and_not_with_what_came_there_later(clone):
    start = git("rev-parse", "HEAD", at=clone).strip()
    git("checkout", "--quiet", "main", at=clone)
    change_metrics(clone, roc_auc=0.1)
    git("checkout", "--quiet", "change", at=clone)

    done = diff(clone, "main")

    assert done.returncode == 0
    assert done.stdout.startswith("**Nothing changed**")
    assert f"From `{start[:9]}` (`Know the metrics`), where HEAD left `main`" in done.stdout


def test_make_diff_prints_the_comparison_alone_and_fails_with_it(clone):
    change_metrics(clone, roc_auc=-0.005)
    (clone / ".venv").symlink_to(sys.prefix)

    done = run(clone, "make", "--assume-old", ".venv/.ready", "diff", "BASE=main")

    assert done.returncode != 0
    assert done.stdout.startswith("**The change fails**")
    assert done.stdout.rstrip().endswith("the same.")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("nowhere", "there is no nowhere here. `git fetch` brings what the remote has"),
        ("--all", "there is no --all here."),
        ("feature", "there is no feature here. Type BASE=origin/feature."),
    ],
)
def test_a_base_that_is_not_here_is_a_sentence_that_says_how_to_get_it(clone, asked, said):
    git("update-ref", "refs/remotes/origin/feature", "HEAD", at=clone)

    done = diff(clone, "--", asked)

    assert (done.returncode, done.stdout) == (1, "")
    assert f"error: BASE should be a branch, tag or commit; {said}" in done.stderr


def test_a_shallow_clone_is_told_to_fetch(clean, tmp_path):
    git("clone", "--quiet", "--depth", "1", f"file://{clean}", str(tmp_path / "clone"))

    done = diff(tmp_path / "clone", "HEAD~1")

    assert (done.returncode, done.stdout) == (1, "")
    assert "error: BASE should be a branch, tag or commit; there is no HEAD~1 here. This clone is shallow" in done.stderr


def test_branches_without_a_common_commit_cannot_be_compared(clone):
    git("checkout", "--quiet", "--orphan", "other", at=clone)
    commit(clone)

    done = diff(clone, "main")

    assert "error: main and HEAD should have a common ancestor; there is none here." in done.stderr


def test_a_folder_without_git_is_a_sentence(tmp_path):
    done = diff(tmp_path, "main")

    assert (done.returncode, done.stdout) == (1, "")
    assert "this folder is no git repository" in done.stderr


def test_a_base_from_before_there_were_metrics_makes_them_new(clone):
    git("checkout", "--quiet", "--orphan", "early", at=clone)
    git("rm", "-rq", "--cached", ".", at=clone)
    git("add", "README.md", at=clone)
    commit(clone, "Begin")
    git("add", "dvc.yaml", "conf", "params.yaml", "dvc.lock", "data/report", at=clone)
    commit(clone, "Measure")

    done = diff(clone, "HEAD~1")

    assert done.returncode == 0, done.stderr
    assert "| `roc_auc` | - | 0.7700 [0.7500, 0.7900] | - | 0.003 | new |" in done.stdout
    assert "ROC curve: none in base." in done.stdout
    assert "DVC's cache lacks `data/processed/counts.json` of one side." in done.stdout


def test_rows_are_counted_from_the_cache_of_dvc(clone):
    (clone / "dvc.yaml").write_text("stages: {preprocess: {cmd: 'true', outs: [data/processed]}}")
    keep_counts(clone, {"train": 90, "test": 10})
    commit(clone, "Count")
    keep_counts(clone, {"train": 80, "test": 10})
    shutil.rmtree(clone / "data/processed")

    page = diff(clone, "HEAD").stdout

    assert "| `train` | `90` | `80` |" in page
    assert "make repro" not in page  # data that is not checked out makes no result stale
    assert "The test table has other rows" not in page


def keep_counts(clone, counts):
    """Has DVC keep a data/processed with these counts, as after `preprocess`."""
    (clone / "data/processed").mkdir(exist_ok=True)
    (clone / "data/processed/counts.json").write_text(json.dumps(counts))
    done = run(clone, "dvc", "commit", "--force", "preprocess")
    assert done.returncode == 0, done.stderr
