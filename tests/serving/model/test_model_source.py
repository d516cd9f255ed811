"""A source hands over a checked model with its lineage, or nothing where it has nothing new, or one sentence."""

import asyncio
import hashlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import mlflow
import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from prediction_api.errors import FetchFailed, InvalidModel, NothingRegistered
from prediction_api.model import artifact
from prediction_api.model.artifact import FILES
from prediction_api.model.model_source import ModelSource
from serving.conftest import write_model

GIT = ("git", "-c", "user.name=test", "-c", "user.email=test@example.org")
DVC = (sys.executable, "-m", "dvc")
METRICS = {"roc_auc": 0.77}


def fetch(uri, mark=None, seconds=60.0, **more):
    return asyncio.run(ModelSource(str(uri), seconds, **more).fetch(mark))


def fetch_at_once(*asked):
    """What several fetches give, each of a URI and a mark; an error is given, too."""

    async def fetch_all():
        return await asyncio.gather(*(ModelSource(uri).fetch(mark) for uri, mark in asked), return_exceptions=True)

    return asyncio.run(fetch_all())


def run(folder, *command):
    quiet = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    return subprocess.run(command, cwd=folder, env=quiet, capture_output=True, text=True, check=True).stdout.strip()


def commit(folder, name):
    """Commits everything under a tag and gives the commit."""
    run(folder, *GIT, "add", "--all")
    run(folder, *GIT, "commit", "--quiet", "--message", name)
    run(folder, *GIT, "tag", name)
    return run(folder, *GIT, "rev-parse", "HEAD")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A folder of this module, for what takes seconds to make."""
    return tmp_path_factory.mktemp("shelf")


@pytest.fixture(scope="module")
def server(shelf):
    """The address of MLflow's server, which keeps artifacts for its clients, as the one of the containers does."""
    app = importlib.import_module("mlflow.server").app  # takes seconds, so it is not imported above
    handlers = importlib.import_module("mlflow.server.handlers")
    database = f"sqlite:///{shelf}/mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("_MLFLOW_SERVER_SERVE_ARTIFACTS", "true")
        patch.setenv("_MLFLOW_SERVER_ARTIFACT_DESTINATION", f"{shelf}/destination")
        handlers.initialize_backend_stores(database, default_artifact_root="mlflow-artifacts:/")
        server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=QuietHandler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        server.server_close()


class QuietHandler(WSGIRequestHandler):
    def log(self, *_):
        pass


@pytest.fixture(scope="module")
def filled(server, shelf):
    """A client of the registry, which has five versions of one model.

    Two good ones, one with a wrong digest, one without a model, one from before about.json became metadata.json. The files
    of the first are kept by the server, those of the others in a folder that clients see.
    """
    client = mlflow.MlflowClient(server, server)
    in_server, in_folder = client.create_experiment("in_server"), client.create_experiment("in_folder", f"{shelf}/artifacts")
    client.create_registered_model("tiny")
    good, second, other = write_model(shelf / "first"), write_model(shelf / "second", bias=1.0), shelf / "other"
    other.mkdir()
    (other / "notes.txt").write_text("no model")
    older = write_model(shelf / "older", bias=2.0)
    (older / "metadata.json").rename(older / "about.json")
    tags = {f"sha256.{name}": sha256(good / name) for name in FILES}
    digests = {f"sha256.{name}": sha256(older / name) for name in ("model.onnx", "schema.json", "about.json")}
    for folder, experiment, of_version in (
        (good, in_server, {**tags, "git_commit": "c" * 40, "dvc_lock": "f" * 64}),
        (second, in_folder, {}),
        (good, in_folder, {**tags, "sha256.model.onnx": "0" * 64}),
        (other, in_folder, {}),
        (older, in_folder, digests),
    ):
        run = client.create_run(experiment, tags={"git_commit": "d" * 40, "dvc_lock": "e" * 64, "user": "me"})
        client.log_metric(run.info.run_id, "roc_auc", METRICS["roc_auc"])
        client.log_artifacts(run.info.run_id, str(folder), "model")
        client.create_model_version("tiny", f"{run.info.artifact_uri}/model", run.info.run_id, tags=of_version)
    return client


@pytest.fixture
def registry(filled, server, stand_in, monkeypatch):
    """The filled registry, behind HTTP; the fetching process finds no MLflow."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    stand_in("mlflow", "raise ImportError('a server is asked without MLflow')")
    filled.set_registered_model_alias("tiny", "champion", "1")
    return filled


@pytest.fixture
def repository(shelf, make_model):
    """A DVC repository at two revisions, made once: the tags `one` and `two`, the second with metrics and a copy in Git."""
    folder = shelf / "repository"
    if not folder.exists():
        folder.mkdir()
        run(folder, *GIT, "init", "--quiet")
        run(folder, *DVC, "init", "--quiet")
        make_model(folder / "data/model")
        run(folder, *DVC, "add", "--quiet", "data/model")
        commit(folder, "one")
        make_model(folder / "data/model", bias=1.0)
        make_model(folder / "copy", bias=2.0)
        (folder / "data/report").mkdir()
        (folder / "data/report/metrics.json").write_text(json.dumps(METRICS))
        run(folder, *DVC, "add", "--quiet", "data/model")
        commit(folder, "two")
    return folder


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A function that lets the fetching process find a package of our own instead of MLflow or DVC."""

    def make(name, code):
        folder = tmp_path / "stand-in"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(folder))

    return make


def is_alive(process):
    """Whether a process runs; one that only waits for its parent's notice does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def dies(process, seconds=10.0):
    until = time.monotonic() + seconds
    while is_alive(process) and time.monotonic() < until:
        time.sleep(0.02)
    return not is_alive(process)


def test_a_directory_hands_over_its_model_with_the_sha256_of_metadata_json_as_its_mark(make_model):
    folder = make_model()

    arrival = fetch(folder)

    assert arrival.artifact == artifact.read(folder)
    assert arrival.mark == sha256(folder / "metadata.json")
    assert arrival.lineage == {"uri": str(folder), "git_commit": None}


def test_a_directory_may_be_given_as_a_file_uri(make_model):
    folder = make_model()

    assert fetch(f"file://{folder}").artifact == artifact.read(folder)


def test_a_directory_that_still_is_what_the_mark_says_gives_nothing(make_model):
    folder = make_model()

    assert fetch(folder, fetch(folder).mark) is None


def test_a_changed_directory_arrives_anew(make_model):
    folder = make_model()
    before = fetch(folder)
    make_model(bias=1.0)

    after = fetch(folder, before.mark)

    assert after.artifact == artifact.read(folder)
    assert after.mark != before.mark


def test_a_directory_without_a_model_is_refused(tmp_path):
    with pytest.raises(InvalidModel, match=r"nowhere should hold .*model\.onnx cannot be read"):
        fetch(tmp_path / "nowhere")


def test_a_directory_that_lost_its_model_is_refused_also_with_a_mark(make_model):
    folder = make_model()
    mark = fetch(folder).mark
    (folder / "metadata.json").unlink()

    with pytest.raises(InvalidModel, match=r"metadata\.json cannot be read"):
        fetch(folder, mark)


def test_the_lineage_of_a_directory_is_the_commit_of_the_git_repository_around_it(make_model, tmp_path):
    folder = make_model(tmp_path / "project/data/model")
    run(tmp_path / "project", *GIT, "init", "--quiet")
    head = commit(tmp_path / "project", "first")

    assert fetch(folder).lineage == {"uri": str(folder), "git_commit": head}


def test_a_git_repository_without_a_commit_gives_no_lineage(make_model):
    folder = make_model()
    run(folder, *GIT, "init", "--quiet")

    assert fetch(folder).lineage["git_commit"] is None


def test_without_git_there_is_no_commit_and_the_model_arrives(make_model, monkeypatch, tmp_path):
    folder = make_model()
    monkeypatch.setenv("PATH", str(tmp_path))

    assert fetch(folder).lineage["git_commit"] is None


def test_a_commit_from_the_settings_goes_before_that_of_git(make_model):
    folder = make_model()
    run(folder, *GIT, "init", "--quiet")
    commit(folder, "first")

    assert fetch(folder, git_commit="f" * 40).lineage["git_commit"] == "f" * 40


def test_an_alias_hands_over_its_version_with_its_lineage_and_another_once_it_moved(registry, shelf):
    champion = "models:/tiny@champion"

    first, same = fetch_at_once((champion, None), (champion, "tiny/1"))
    registry.set_registered_model_alias("tiny", "champion", "2")
    second = fetch(champion, first.mark)

    assert first.artifact == artifact.read(shelf / "first")
    assert first.mark == "tiny/1"
    assert first.lineage == {
        "uri": "models:/tiny@champion",
        "registered": "tiny/1",
        "git_commit": "c" * 40,
        "run": registry.get_model_version("tiny", "1").run_id,
        "sha256_of": "the registry",
        "dvc": {"dvc_lock": "f" * 64},
        "metrics": METRICS,
        "promotion": None,
    }
    assert same is None
    assert (second.artifact, second.mark) == (artifact.read(shelf / "second"), "tiny/2")
    assert second.lineage["git_commit"] == "d" * 40


def test_a_registry_in_a_database_is_asked_through_mlflow(filled, shelf, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shelf}/mlflow.db")

    second, unknown = fetch_at_once(("models:/tiny/2", None), ("models:/nobody@champion", None))

    assert isinstance(unknown, NothingRegistered)
    assert (second.artifact, second.mark) == (artifact.read(shelf / "second"), "tiny/2")
    assert (second.lineage["git_commit"], second.lineage["metrics"]) == ("d" * 40, METRICS)


def test_a_version_says_when_how_and_why_it_last_became_champion(registry):
    won = {"time": "2026-11-01T10:00:00+00:00", "version": 1, "kind": "promoted", "why": "brier is better", "by": "somebody"}
    back = {**won, "time": "2026-11-03T10:00:00+00:00", "kind": "rolled back", "why": "it was slow"}
    other = {**won, "time": "2026-11-04T10:00:00+00:00", "version": 2}
    for change in (other, won, back):
        registry.set_registered_model_tag("tiny", f"champion.{change['time'][:19]}.000000Z", json.dumps(change))
    registry.set_registered_model_tag("tiny", "champion.2026-11-05T10:00:00.000000Z", "no change at all")
    try:
        lineage = fetch("models:/tiny/1").lineage
    finally:
        for tag in registry.get_registered_model("tiny").tags:
            registry.delete_registered_model_tag("tiny", tag)

    assert lineage["promotion"] == {"time": back["time"], "kind": "rolled back", "why": "it was slow"}


def test_an_older_champion_is_fetched_held_to_its_digests_and_kept(registry, shelf, tmp_path):
    registry.set_registered_model_alias("tiny", "champion", "5")

    fetched = fetch("models:/tiny@champion", cache=tmp_path / "kept")

    assert fetched.artifact == artifact.read(shelf / "older")
    assert fetched.lineage["sha256_of"] == "the registry"
    assert artifact.read(tmp_path / "kept") == fetched.artifact


def test_a_version_whose_tag_holds_another_sha256_is_refused(registry):
    with pytest.raises(InvalidModel, match=rf"model\.onnx \(.{{12}}, not {'0' * 12}\)"):
        fetch("models:/tiny/3")


def test_a_version_without_a_model_directory_and_an_unknown_alias_are_one_sentence_each(registry):
    foreign, unknown = fetch_at_once(("models:/tiny/4", None), ("models:/tiny@nobody", None))

    assert isinstance(foreign, FetchFailed)
    assert re.fullmatch(
        r"Version 4 of tiny should hold .*; it holds no metadata\.json\. Register a model directory\.", str(foreign)
    )
    assert isinstance(unknown, FetchFailed)
    assert str(unknown) == "MODEL_URI=models:/tiny@nobody should name a version; tiny has no alias nobody. Promote one."


def test_until_a_version_is_promoted_the_fallback_answers_and_then_never_again(registry, make_model, shelf):
    """One test, as each fetch imports MLflow for seconds."""
    folder = make_model(bias=3.0)

    async def follow():
        source = ModelSource("models:/tiny@soon", 60.0, "c0ffee", fallback=str(folder))
        before, away = await source.fetch_first()
        same = await source.fetch(before.mark)
        registry.set_registered_model_alias("tiny", "soon", "1")
        promoted = await source.fetch(before.mark)
        registry.delete_registered_model_alias("tiny", "soon")
        with pytest.raises(NothingRegistered, match="tiny has no alias soon"):
            await source.fetch(promoted.mark)
        return before, away, same, promoted

    before, away, same, promoted = asyncio.run(follow())

    assert (before.artifact, away, same) == (artifact.read(folder), None, None)
    assert before.lineage == {"uri": str(folder), "git_commit": None}
    assert (promoted.artifact, promoted.mark) == (artifact.read(shelf / "first"), "tiny/1")


@pytest.fixture
def answering(monkeypatch):
    """A registry over HTTP that answers any question with what a test puts there, and what it was asked."""
    asked, answers = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answers[0])

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}/")
    yield asked, answers
    server.shutdown()
    server.server_close()


def test_an_alias_that_did_not_move_takes_one_question_and_no_process(answering, monkeypatch):
    asked, answers = answering
    answers.append(b'{"model_version": {"name": "tiny", "version": "7"}}')
    monkeypatch.setattr("asyncio.create_subprocess_exec", None)

    assert fetch("models:/tiny@champion", "tiny/7") is None
    assert asked == ["/api/2.0/mlflow/registered-models/alias?name=tiny&alias=champion"]


def test_of_a_registry_without_such_a_model_is_learned_without_a_process_and_the_fallback_stays(
    answering, monkeypatch, make_model
):
    answering[1].append(b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Registered Model with name=tiny not found"}')
    monkeypatch.setattr("asyncio.create_subprocess_exec", None)
    folder = make_model()

    first = fetch("models:/tiny@champion", fallback=str(folder))
    assert first.artifact == artifact.read(folder)
    assert fetch("models:/tiny@champion", first.mark, fallback=str(folder)) is None


@pytest.mark.parametrize("answer", [b"[]", b"not JSON"])
def test_an_answer_that_is_none_of_a_registry_is_one_sentence(answering, answer):
    answering[1].append(answer)

    with pytest.raises(FetchFailed, match=r"^MODEL_URI=models:/tiny@champion cannot be fetched: the MLflow server at http"):
        fetch("models:/tiny@champion", "tiny/7")


def test_a_model_that_no_registry_knows_is_one_that_is_not_promoted_yet(registry):
    with pytest.raises(NothingRegistered, match=r"the registry has none\. Promote one"):
        fetch("models:/nobody@champion")


def test_a_start_while_the_registry_is_away_takes_the_model_that_came_last_from_it(
    registry, make_model, shelf, tmp_path, monkeypatch
):
    uri, folder = "models:/tiny@champion", make_model(bias=3.0)
    came = fetch(uri, cache=tmp_path / "kept")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    def first(uri, **more):
        return asyncio.run(ModelSource(uri, 60.0, fallback=str(folder), **more).fetch_first())

    kept, why = first(uri, cache=tmp_path / "kept")
    other, _ = first("models:/another@champion", cache=tmp_path / "kept")
    (tmp_path / "kept/metadata.json").write_text("{}")
    torn, _ = first(uri, cache=tmp_path / "kept")

    assert kept == came
    assert "cannot be fetched" in str(why)
    assert other.artifact == torn.artifact == artifact.read(folder)


def test_a_start_without_registry_kept_model_or_fallback_fails(registry, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    with pytest.raises(FetchFailed, match="cannot be fetched"):
        asyncio.run(ModelSource("models:/tiny@champion", 60.0, cache=tmp_path / "kept").fetch_first())


@pytest.mark.parametrize("uri", ["models:/tiny", "models:/@champion", "models:/tiny/"])
def test_a_registry_uri_that_names_no_version_is_told_how_to_read(stand_in, uri):
    stand_in("mlflow", "artifacts = None")

    with pytest.raises(FetchFailed, match=f"^MODEL_URI={uri} should read models:/NAME@ALIAS or models:/NAME/VERSION\\.$"):
        fetch(uri)


@pytest.mark.parametrize(
    ("uri", "name", "words"),
    [
        ("models:/tiny@champion", "mlflow", "needs MLflow .*names a server .*pip install mlflow"),
        ("dvc://.", "dvc", "needs DVC .*pip install dvc"),
    ],
)
def test_where_the_fetcher_is_not_installed_one_sentence_says_what_to_install(stand_in, uri, name, words):
    stand_in(name, f"raise ImportError('no {name} here')")

    with pytest.raises(FetchFailed, match=f"^MODEL_URI={uri} {words}"):
        fetch(uri)


def test_a_dvc_repository_hands_over_the_model_of_each_revision_with_its_lineage(repository):
    commits = {name: run(repository, *GIT, "rev-parse", name) for name in ("one", "two")}
    outs = {name: run(repository, *GIT, "show", f"{name}:data/model.dvc").split("md5: ")[1].split()[0] for name in commits}

    one, two = fetch_at_once(*((f"dvc://{repository}?rev={name}", None) for name in commits))

    assert two.artifact == artifact.read(repository / "data/model")
    assert one.artifact.version != two.artifact.version
    assert (one.mark, two.mark) == tuple(commits.values())
    assert one.lineage == {
        "uri": f"dvc://{repository}?rev=one",
        "git_commit": commits["one"],
        "dvc": {"data/model": outs["one"]},
    }
    assert two.lineage["dvc"] == {"data/model": outs["two"]}
    assert two.lineage["metrics"] == METRICS


def test_a_dvc_revision_that_still_is_what_the_mark_says_gives_nothing(repository):
    assert fetch(f"dvc://{repository}?rev=one", run(repository, *GIT, "rev-parse", "one")) is None


def test_a_model_elsewhere_in_the_repository_is_found_by_its_path(repository):
    arrival = fetch(f"dvc://{repository}?rev=two&path=copy")

    assert arrival.artifact == artifact.read(repository / "copy")


def test_an_unknown_revision_is_one_sentence(repository):
    with pytest.raises(FetchFailed, match=r"^MODEL_URI=dvc://\S+\?rev=three cannot be fetched: .*three[^\n]*$"):
        fetch(f"dvc://{repository}?rev=three")


def test_a_file_altered_in_the_cache_of_dvc_is_refused(repository, tmp_path):
    altered = tmp_path / "altered"
    shutil.copytree(repository, altered)
    graph = hashlib.md5((repository / "data/model/model.onnx").read_bytes()).hexdigest()
    cached = altered / f".dvc/cache/files/md5/{graph[:2]}/{graph[2:]}"
    cached.chmod(0o644)
    cached.write_bytes(cached.read_bytes() + b" ")

    with pytest.raises(FetchFailed, match=r"model\.onnx"):
        fetch(f"dvc://{altered}?rev=two")


def test_a_file_missing_from_the_cache_of_dvc_is_one_sentence(repository, tmp_path):
    emptied = tmp_path / "emptied"
    shutil.copytree(repository, emptied)
    shutil.rmtree(emptied / ".dvc/cache")

    with pytest.raises(FetchFailed, match=r"^MODEL_URI=dvc://\S+ cannot be fetched: [^\n]+$"):
        fetch(f"dvc://{emptied}?rev=two")


SLOW = """
import os, pathlib, subprocess, time
child = subprocess.Popen(["sleep", "30"])
pathlib.Path({told!r}).write_text(f"{{os.getpid()}} {{child.pid}}")
time.sleep(30)
"""


@pytest.fixture
def slow(stand_in, tmp_path):
    """The file that a slow fetch fills with its process and that of its child."""
    told = tmp_path / "processes"
    stand_in("mlflow", SLOW.format(told=str(told)))
    yield told
    for process in told.read_text().split() if told.exists() else ():
        if is_alive(process):
            os.kill(int(process), 9)


def test_a_fetch_beyond_its_time_fails_with_the_setting_that_bounds_it(stand_in):
    stand_in("mlflow", "import time; time.sleep(5)")

    with pytest.raises(FetchFailed, match=r"should be fetched within 0\.1 seconds \(MODEL_FETCH_SECONDS\); it was not\.$"):
        fetch("models:/tiny@champion", seconds=0.1)


def test_a_fetch_beyond_its_time_ends_at_once_with_the_processes_that_it_started(slow):
    before = time.monotonic()
    with pytest.raises(FetchFailed, match=r"within 4 seconds"):
        fetch("models:/tiny@champion", seconds=4)
    took = time.monotonic() - before

    assert [dies(process) for process in slow.read_text().split()] == [True, True]
    assert took < 20


def test_a_cancelled_fetch_ends_at_once_with_the_processes_that_it_started(slow):
    async def cancel():
        task = asyncio.create_task(ModelSource("models:/tiny@champion").fetch())
        while not (slow.exists() and slow.read_text()):
            await asyncio.sleep(0.02)
        before = time.monotonic()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        return time.monotonic() - before

    took = asyncio.run(cancel())

    assert [dies(process) for process in slow.read_text().split()] == [True, True]
    assert took < 20


@pytest.mark.parametrize(
    "end", ["os._exit(0)", "os.kill(os.getpid(), 9)", "print('Downloading: 3 %', file=sys.stderr, flush=True); os._exit(3)"]
)
def test_a_fetch_that_ends_without_an_answer_is_one_sentence_that_names_the_source(stand_in, end):
    stand_in("mlflow", f"import os, sys; {end}")

    with pytest.raises(FetchFailed, match=r"^MODEL_URI=models:/tiny@champion "):
        fetch("models:/tiny@champion")


TALKATIVE = """
import atexit
class MlflowClient:
    def get_registered_model(self, *_):
        return type("Model", (), {"aliases": {"champion": "1"}})
    def get_model_version_by_alias(self, *_):
        return type("Version", (), {"version": "1"})
artifacts = None
print("welcome")
atexit.register(print, "goodbye")
"""


def test_what_the_libraries_print_is_no_answer(stand_in):
    stand_in("mlflow", TALKATIVE)

    assert fetch("models:/tiny@champion", "tiny/1") is None


def test_a_fetch_leaves_nothing_in_the_folder_for_temporary_files(repository, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    fetch(f"dvc://{repository}?rev=one")

    assert not list(tmp_path.glob("model-*"))


def test_fetches_share_nothing_that_dvc_remembers(repository, tmp_path, monkeypatch):
    shared = tmp_path / "shared"
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(shared))

    fetch(f"dvc://{repository}?rev=one")

    assert not list(shared.glob("**/*"))


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("dvc://https://user:s3c/ret@host/repo?rev=main", "dvc://https://host/repo?rev=main"),
        ("dvc://https://user:s3c@ret@host/repo", "dvc://https://host/repo"),  # pragma: allowlist secret
        ("dvc://ssh://git:a://b#c?d@host:22/repo", "dvc://ssh://host:22/repo"),
        ("dvc://https://token@host/repo", "dvc://https://host/repo"),
        ("https://user:s3cret@host", "https://host"),  # pragma: allowlist secret
        ("dvc://https://host/repo?rev=v1", "dvc://https://host/repo?rev=v1"),
        ("models:/ontime@champion", "models:/ontime@champion"),
        ("dvc://../repository", "dvc://../repository"),
    ],
)
def test_an_address_is_shown_without_all_that_stands_before_its_last_at(address, shown):
    assert ModelSource(address).shown == shown


def test_the_password_in_an_address_is_shown_nowhere(tmp_path):
    source = ModelSource(f"dvc://https://me:secret@127.0.0.1:1/{tmp_path.name}?rev=main", 60)

    with pytest.raises(FetchFailed) as found:
        asyncio.run(source.fetch())

    assert "secret" not in f"{found.value} {source.shown}"
    assert "127.0.0.1:1" in source.shown
