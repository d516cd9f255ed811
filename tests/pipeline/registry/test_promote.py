"""Promotion as people do it, on the penguins with a real registry: who wins, who waits, the way back, and what was when."""

import json
import re
import shutil
import time
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest

import in_process
import penguins
from pipeline.files.digests import folder_sha256, sha256
from pipeline.registry import lineage
from pipeline.registry.mlflow_registry import Registry
from pipeline.tracking import mlflow_runs

WEAK, STRONG = (["model=logistic", f"model.C={penalty}"] for penalty in ("0.00001", "1.0"))


@pytest.fixture(scope="module")
def place(project):
    """The penguins with a model that hardly says anything, which is the first champion."""
    gate = project / "conf/gate.yaml"
    gate.write_text(gate.read_text().replace("resamples: 1000", "resamples: 200"))
    penguins.reproduced(project, *WEAK)
    return project


@pytest.fixture(scope="module")
def registry(place):
    uri = f"sqlite:///{place.parent / 'mlflow.db'}"
    return mlflow.MlflowClient(uri, uri)


def verb(place, name, *words, **environment):
    """What a verb of the pipeline does when it is run as a command: its status, and all that it prints on one line."""
    settings = {**penguins.environment(place), "DATA_API_URL": "http://127.0.0.1:9", **environment}
    done = in_process.run(f"registry.{name}", *words, folder=place, environment=settings)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def champion(registry):
    return int(registry.get_model_version_by_alias("ontime", "champion").version)


@contextmanager
def clock_of(zone):
    """The local time is that of another zone for a while."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        yield
    time.tzset()


@contextmanager
def tagged(registry, version, name, value):
    """A tag of a version says something else for a while."""
    was = registry.get_model_version("ontime", version).tags[name]
    registry.set_model_version_tag("ontime", version, name, value)
    yield
    registry.set_model_version_tag("ontime", version, name, was)


@contextmanager
def called_about(registry, version):
    """The metadata of a version have their old name for a while, as those of versions from before the renaming."""
    new, old = "metadata.json", "about.json"
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/ontime/{version}", tracking_uri=registry.tracking_uri))
    digest = registry.get_model_version("ontime", version).tags[f"sha256.{new}"]
    for before, after in ((new, old), (old, new)):
        (folder / before).rename(folder / after)
        registry.delete_model_version_tag("ontime", version, f"sha256.{before}")
        registry.set_model_version_tag("ontime", version, f"sha256.{after}", digest)
        if after == old:
            yield


def first_champion(place, registry):
    status, told = verb(place, "history")
    assert (status, "No version of ontime has been champion. `make promote`" in told) == (0, True)
    status, told = verb(place, "rollback")
    assert (status, "there is no champion" in told) == (1, True)

    status, told = verb(place, "promote")
    assert (status, champion(registry)) == (0, 1), told
    assert "Version 1 of ontime is the champion: there was no champion." in told
    assert "Services that follow the registry sqlite:///" in told
    status, told = verb(place, "promote")
    assert (status, len(registry.search_model_versions("name='ontime'"))) == (0, 1)
    assert "Version 1 of ontime is the champion already" in told


def lineage_of_the_first(place, registry, commit):
    version = registry.get_model_version("ontime", "1")
    scores = json.loads((place / "data/report/metrics.json").read_text())
    assert version.tags["git_commit"] == commit
    assert version.tags["dvc_lock"] == sha256(place / "dvc.lock")
    assert version.tags["params"] == sha256(place / "params.yaml")
    assert version.tags["data.test"] == folder_sha256(place / "data/processed/test")
    assert float(version.tags["metric.roc_auc"]) == scores["roc_auc"]
    for name in ("model.onnx", "schema.json", "metadata.json"):
        assert version.tags[f"sha256.{name}"] == sha256(place / "data/model" / name)
    assert registry.get_run(version.run_id).data.tags["DVC_STAGE"] == "evaluate"  # the run that made it, not a new one


def better_and_worse(place, registry):
    penguins.reproduced(place, *STRONG)
    with tagged(registry, "1", "metric.brier", "0.050000"):
        status, told = verb(place, "promote")
    assert (status, champion(registry)) == (1, 1), told
    assert re.search(r"not what the champion learned: its brier is 0\.\d{4} on them, and was 0\.0500 on its own", told)

    with called_about(registry, "1"):
        status, told = verb(place, "promote")
        assert sha256(place / "data/model/metadata.json")[:12] in verb(place, "history")[1]
        assert "removed" not in verb(place, "history")[1]
    assert (status, champion(registry)) == (0, 2), told
    assert re.search(r"brier │ 0\.\d{6} │ 0\.\d{6} │ \+0\.\d{6} │ \+0\.\d{6} to \+0\.\d{6} │ -0\.0005 ", told)
    assert "Version 2 of ontime is the champion: against version 1: brier is better by" in told

    penguins.reproduced(place, *WEAK)
    status, told = verb(place, "promote")
    assert (status, champion(registry)) == (1, 2), told
    assert re.search(r"error: Version 1 should beat version 2, the champion; brier may be worse by 0\.\d{4}", told)
    assert int(registry.get_model_version_by_alias("ontime", "challenger").version) == 1  # known by its files


def without_files(place, registry, monkeypatch):
    """The files of all versions are gone for a while: MLflow gives an empty folder then."""
    store = Path(registry.get_experiment_by_name("table").artifact_location.removeprefix("file://"))
    store.rename(store.with_name("elsewhere"))
    with monkeypatch.context() as patch:  # they go after promote has looked
        patch.setattr(lineage, "has_registered_files", lambda registry, version: True)
        told = verb(place, "promote", "--because", "it is Monday")
    contest, back = verb(place, "promote"), verb(place, "rollback")
    shutil.rmtree(store)
    store.with_name("elsewhere").rename(store)
    registry.delete_model_version("ontime", "3")

    gone = (
        r"error: Version {} of ontime should have its files in the store of sqlite:\S+; it lacks model\.onnx, schema\.json, "
    )
    gone += r"metadata\.json\. The champion is unchanged\. Restore them there\."
    assert (told[0], contest[0], back[0], champion(registry)) == (1, 1, 1, 2)
    assert re.search(gone.format(1) + "$", told[1]), told
    assert "Registered version 3 of ontime" in contest[1]  # the same model again, for of version 1 nothing is left
    assert re.search(gone.format(2) + r" Or type make promote BECAUSE='the reason' to promote it", contest[1]), contest
    assert re.search(gone.format(1) + "$", back[1]), back


def altered_files(place, registry):
    """The same model is registered again where the store has other files for it than it was registered with."""
    graph = Path(mlflow.artifacts.download_artifacts("models:/ontime/1", tracking_uri=registry.tracking_uri)) / "model.onnx"
    was = graph.read_bytes()
    graph.write_bytes(was[:-1])
    status, told = verb(place, "promote")
    graph.write_bytes(was)

    assert (status, champion(registry)) == (1, 2)
    assert "Registered version 4 of ontime" in told
    registry.delete_model_version("ontime", "4")


def back_and_forth(place, registry):
    with tagged(registry, "1", "sha256.model.onnx", "0" * 64):
        status, told = verb(place, "rollback")
    assert (status, champion(registry)) == (1, 2), told
    assert "Version 1 should have the files that it was registered with; the store of sqlite:///" in told

    status, told = verb(place, "rollback", "--because", "it is Tuesday")
    assert (status, champion(registry)) == (0, 1), told
    assert "Version 1 of ontime is the champion again, instead of version 2: it is Tuesday." in told
    assert "challenger" not in registry.get_registered_model("ontime").aliases
    status, told = verb(place, "rollback")
    assert (status, champion(registry)) == (1, 1)
    assert "version 1 is the first" in told

    penguins.reproduced(place, *STRONG)
    assert verb(place, "promote", "--because", "it is Wednesday")[0] == 0
    assert champion(registry) == 2


def who_was_champion(place, commit):
    status, told = verb(place, "history")
    pattern = r"│ (\d{4}-[\d: -]+?) │ ([\d: -]+?|now) │ (\d) │ (\w{12}) │ (\w{9}) │ ([\d.]+) │ ([\d.]+) │ ([\w ]+?) │"
    rows = re.findall(pattern, told)
    told_as = [(version, how) for _, _, version, *_, how in rows]
    assert told_as == [("1", "initial"), ("2", "promoted"), ("1", "rolled back"), ("2", "forced")]
    assert [until for _, until, *_ in rows] == [*(begin for begin, *_ in rows[1:]), "now"]
    assert rows[0][4] == rows[2][4] == commit[:9]
    assert "warning" not in told

    with clock_of("America/New_York"):  # a moment is in UTC all the same, as the history prints it
        status, told = verb(place, "history", "--at", rows[1][0])
    assert (status, f"commit {commit}" in told, "version 1 of ontime was champion" in told) == (0, True, True)
    assert f"test {folder_sha256(place / 'data/processed/test')[:12]}" in told
    assert "the models that answered then are not known: nobody answers at http://127.0.0.1:9" in told
    assert "no version of ontime was champion" in verb(place, "history", "--at", "2020-01-01T00:00Z")[1]
    status, told = verb(place, "history", "--at", "2999-01-01T00:00Z")
    assert (status, "2999-01-01 00:00:00 UTC is still to come" in told, "champion" in told) == (1, True, False)
    status, told = verb(place, "history", "--at", "teatime")
    assert (status, "such as 2026-11-23 14:05" in told) == (2, True)


def other_hands(place, registry):
    registry.set_registered_model_alias("ontime", "champion", "1")
    assert "names version 1, not 2: it was changed outside make promote" in verb(place, "history")[1]
    assert "it was changed outside make promote" in verb(place, "history", "--at", "2026-01-01")[1]
    assert verb(place, "rollback")[0] == 0
    assert champion(registry) == 2


def without_alias(place, registry):
    """Other hands took the alias away: the next promotion is not the first."""
    registry.delete_registered_model_alias("ontime", "champion")
    assert "the alias champion names no version, not 2: it was changed outside make promote" in verb(place, "history")[1]
    status, told = verb(place, "rollback")
    assert (status, "the alias champion was removed outside make promote, and `make promote` sets it again" in told) == (
        1,
        True,
    )
    status, told = verb(place, "promote")
    assert (status, champion(registry)) == (0, 2), told
    assert "is the champion: there was no champion any more." in told
    assert "│ restored │ there was no champion any more │" in verb(place, "history")[1]


def meanwhile(place, registry, monkeypatch):
    """Somebody else moves the alias between the look at the registry and the move."""
    looked = Registry.version_with_alias

    def look_then_move(self, alias):
        found = looked(self, alias)
        registry.set_registered_model_alias("ontime", "champion", "1")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Registry, "version_with_alias", look_then_move)
        status, told = verb(place, "rollback")
    assert (status, champion(registry)) == (1, 1), told
    assert "The champion was version 2 when this began, and is version 1 now. Nothing was changed" in told
    registry.set_registered_model_alias("ontime", "champion", "2")


def test_promotion_from_the_first_model_to_the_way_back(place, registry, monkeypatch):
    """One story, because each step stands on the one before."""
    commit = penguins.run(place, "git", "rev-parse", "HEAD").strip()

    first_champion(place, registry)
    lineage_of_the_first(place, registry, commit)
    better_and_worse(place, registry)
    without_files(place, registry, monkeypatch)
    altered_files(place, registry)
    back_and_forth(place, registry)
    who_was_champion(place, commit)
    other_hands(place, registry)
    without_alias(place, registry)
    meanwhile(place, registry, monkeypatch)


def test_another_question_has_no_contest(place, registry):
    before = champion(registry)
    penguins.reproduced(place, *STRONG, "data.target.positive=male")

    status, told = verb(place, "promote")

    assert (status, champion(registry)) == (1, before)
    assert "it answers another question, or its rows were split in another way. It is the challenger now" in told


def test_a_champion_that_reads_other_columns_is_not_compared(place, registry):
    before = champion(registry)
    penguins.reproduced(place, *STRONG, "~data.columns.island", "data.slices=[species]")

    status, told = verb(place, "promote")

    assert (status, champion(registry)) == (1, before)
    assert "the champion cannot be scored. data/processed/test should have the columns" in told
    assert "it lacks island" in told


def test_a_model_that_no_commit_gives_is_not_registered(place, registry):
    versions = len(registry.search_model_versions("name='ontime'"))
    note = place / "conf/gate.yaml"
    was = note.read_text()
    note.write_text(was + "# a thought\n")
    uncommitted = verb(place, "promote")
    note.write_text(was)
    shutil.move(place / "data/model/schema.json", place / "schema.json")
    missing = verb(place, "promote")
    shutil.move(place / "schema.json", place / "data/model/schema.json")
    params = place / "params.yaml"
    params.write_text(params.read_text().replace("seed: 13", "seed: 14"))
    penguins.run(place, "git", "commit", "--quiet", "--all", "--message", "another seed")
    stale = verb(place, "promote")

    assert uncommitted[0] == missing[0] == stale[0] == 1
    assert re.search(r"1 files have changed since \w{9}, such as conf/gate\.yaml", uncommitted[1])
    assert "data/model should hold model.onnx, schema.json and metadata.json" in missing[1]
    assert re.search(r"changed since data/ was made: train: train\.", stale[1])
    assert len(registry.search_model_versions("name='ontime'")) == versions


@pytest.mark.parametrize(
    ("path", "word", "other", "said"),
    [
        ("params.yaml", "positive: female", "positive: male", "preprocess: data"),
        ("src/pipeline/recipes/table.py", '"""', '"""Anew. ', "preprocess: src/pipeline/recipes"),
        ("src/pipeline/new.py", "", "", "src/pipeline/new.py is in no commit"),
        ("conf/data/mine.yaml", "", "", "conf/data/mine.yaml is in no commit"),
    ],
)
def test_what_a_commit_does_not_hold_or_did_not_make_is_named(place, registry, path, word, other, said):
    penguins.run(place, "git", "reset", "--quiet", "--hard")
    before, versions = (
        penguins.run(place, "git", "rev-parse", "HEAD").strip(),
        registry.search_model_versions("name='ontime'"),
    )
    file = place / path
    file.write_text(file.read_text().replace(word, other, 1) if file.exists() else f"name: {file.stem}\n")
    if word:
        penguins.run(place, "git", "commit", "--quiet", "--all", "--message", "Change what was not reproduced")

    status, told = verb(place, "promote")

    assert (status, said in told) == (1, True), told
    assert len(registry.search_model_versions("name='ontime'")) == len(versions)
    penguins.run(place, "git", "reset", "--quiet", "--hard", before)
    if not word:
        file.unlink()


def test_a_version_that_was_deleted_is_no_way_back(place, registry):
    champions = [version.version for version in registry.search_model_versions("name='ontime'")]
    registry.set_registered_model_alias("ontime", "champion", "2")
    registry.delete_model_version("ontime", "1")

    status, told = verb(place, "rollback")

    assert (status, champion(registry)) == (1, 2), told
    assert "version 2 is the first" in told
    assert len(champions) > 1


def test_a_store_that_lacks_what_it_needs_is_said_in_a_sentence(place, registry, monkeypatch):
    def lacking(*_):
        raise ModuleNotFoundError("No module named 'boto3'")

    monkeypatch.setattr(Registry, "find_run", lambda self, digest: None)
    monkeypatch.setattr(mlflow_runs, "log_results", lacking)
    penguins.reproduced(place, *STRONG, "train.seed=7")

    status, told = verb(place, "promote")

    assert (status, champion(registry)) == (1, 2)
    assert "The files of a model should be written to and read from the store of sqlite:///" in told
    assert "; No module named 'boto3'. The champion is unchanged. Start the store, or install what it needs." in told


def test_a_deleted_experiment_is_said_with_the_way_to_bring_it_back(place, registry):
    penguins.reproduced(place, *STRONG, "train.seed=8")
    experiment = registry.get_experiment_by_name("table").experiment_id
    registry.delete_experiment(experiment)

    status, told = verb(place, "promote")

    registry.restore_experiment(experiment)
    assert (status, champion(registry)) == (1, 2)
    assert f"mlflow experiments restore -x {experiment}`." in told
    assert "Start the store" not in told


def test_a_version_that_comes_again_keeps_its_commit(place, registry):
    """The history names the commit that gives the model, whatever was committed since."""
    penguins.reproduced(place, *STRONG)
    (place / "conf/gate.yaml").write_text((place / "conf/gate.yaml").read_text() + "# a thought\n")
    penguins.run(place, "git", "commit", "--quiet", "--all", "--message", "A thought")
    registry.delete_registered_model_alias("ontime", "champion")

    status, told = verb(place, "promote")

    version = registry.get_model_version_by_alias("ontime", "champion")
    head = penguins.run(place, "git", "rev-parse", "HEAD").strip()
    assert (status, version.tags["git_commit"] != head) == (0, True), told
    assert version.tags["git_commit"][:9] in verb(place, "history")[1].rpartition("restored")[0].rpartition(" now ")[2]


def test_a_table_that_dvc_keeps_is_in_a_commit_and_one_outside_is_in_none(place, registry):
    table = "tests/pipeline/penguins.csv"
    penguins.run(place, "git", "rm", "--quiet", "--cached", table)
    penguins.run(place, "dvc", "add", "--quiet", table)
    penguins.run(place, "git", "add", f"{table}.dvc", "tests/pipeline/.gitignore")
    penguins.run(place, "git", "commit", "--quiet", "--message", "The table is large")
    kept = verb(place, "promote")
    shutil.copy(place / table, place.parent / "mine.csv")
    penguins.reproduced(place, *STRONG, f"data.source.path={place.parent / 'mine.csv'}")
    outside = verb(place, "promote")

    assert kept[0] == 0, kept
    assert outside[0] == 1
    assert f"{place.parent / 'mine.csv'} is outside this repository. Put it into data/" in outside[1]


@pytest.mark.parametrize("name", ["rollback", "history"])
def test_a_registry_that_is_away_is_said_in_a_sentence(place, name):
    status, told = verb(place, name, MLFLOW_TRACKING_URI="http://127.0.0.1:9")

    assert (status, "The model registry should answer at http://127.0.0.1:9 (MLFLOW_TRACKING_URI)" in told) == (1, True)
