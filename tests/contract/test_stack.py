"""`docker compose up` in a fresh clone: everything starts, works, follows the registry and heals, and no answer is lost.

Skipped by name where no Docker engine answers.
"""

import json
import os
import re
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import pytest

import clones
from contract.event_feed import EventFeed
from contract.stack import HEALED_SECONDS, Stack, engine, until

MAKE = ("make", "--assume-old", ".venv/.ready")  # the clone uses the installation of this repository
ONE_SHOTS = {"pipeline", "kuma-provisioner"}
PAUSE_SECONDS = 0.05
FOR = re.compile(r"for: \d+m")

pytestmark = [
    pytest.mark.long("containers: the whole system, killed part by part"),
    pytest.mark.skipif(not engine(), reason="no Docker engine with compose answers: the stack was not started"),
]


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """The whole system of a fresh clone, whose alerts fire after seconds; its board predicts from the first event on."""
    clone = clones.cloned(tmp_path_factory.mktemp("stack") / "fresh")
    made = Stack(clone, MODEL_POLL_SECONDS="5", LIVE_REFRESH_SECONDS="10", WARM_UP_DAYS="0")
    try:
        made.compose("up", "--detach", "--build", "--wait")
        yield made
    finally:
        made.close()


def smoke(stack, *words):
    urls = {f"{name}_URL": stack.url(name) for name in ("PREDICTION_API", "DATA_API", "BOARD", "PROMETHEUS", "UPTIME_KUMA")}
    return stack.run(sys.executable, "-m", "pipeline.operations.smoke", *words, PYTHONPATH="src", **urls)


def test_a_fresh_clone_ends_in_answered_predictions_and_stays_clean(stack):
    said = smoke(stack)
    states = {one["Service"]: (one["State"], one["Health"], one["ExitCode"]) for one in stack.containers()}

    assert "The whole system works" in said
    assert "The board is ready, and the event log is empty." in said
    assert {name for name, (state, *_) in states.items() if state == "exited"} == ONE_SHOTS
    assert {states[name][2] for name in ONE_SHOTS} == {0}
    assert clones.git("status", "--porcelain", at=stack.clone) == ""
    assert (stack.clone / "data/model").stat().st_uid == stack.clone.stat().st_uid


def test_a_second_start_changes_nothing_and_reproduces_nothing(stack):
    stack.compose("up", "--detach", "--wait")
    said = stack.compose("logs", "--no-color", "pipeline", "kuma-provisioner")

    assert "data/model is there: nothing to reproduce" in said
    assert re.search(r"0 added, 0 edited, 0 removed, \d+ unchanged", said)


def test_only_who_must_reaches_the_database(stack):
    ask = "import socket; socket.create_connection(('postgres', 5432), 2)"

    stack.compose("exec", "-T", "data-api", "python", "-c", ask)
    for service in ("prediction-api", "board"):
        assert "gaierror" in stack.compose("exec", "-T", service, "python", "-c", ask, status=1)


def test_our_containers_run_as_plain_users_that_may_write_and_do_nothing_more(stack):
    for service in ("data-api", "prediction-api", "board", "gateway", "mlflow"):
        user = stack.compose("exec", "-T", service, "sh", "-c", "id -u; touch /x 2>&1; grep CapEff /proc/1/status")
        assert user.split()[0] == "10001"
        assert "Read-only file system" in user
        assert re.search(r"CapEff:\s+0+$", user, re.MULTILINE)


def test_replicas_are_scraped_one_by_one_and_follow_a_promotion(stack):
    stack.compose("up", "--detach", "--wait", "--no-recreate", "--scale", "prediction-api=3")
    until(60, lambda: len(stack.query('up{job="prediction-api"} == 1')) == 3, "three replicas are scraped")
    registry = {"MLFLOW_TRACKING_URI": stack.url("MLFLOW"), "PYTHONPATH": "src"}

    said = stack.run(sys.executable, "-m", "pipeline.registry.promote", **registry)
    assert "Version 1 of ontime is the champion" in said
    until(60, lambda: followed(stack) == {"ontime/1"}, "all replicas answer from version 1")
    stack.compose("up", "--detach", "--wait", "--no-recreate", "--scale", "prediction-api=1")


def followed(stack):
    """The registered versions from which replicas answer, asked one by one."""
    found = set()
    for one in stack.containers():
        if one["Service"] == "prediction-api" and one["State"] == "running":
            ask = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8000/model').read().decode())"
            answer = stack.run("docker", "exec", one["ID"], "python", "-c", ask)
            found.add(json.loads(answer.splitlines()[0])["lineage"].get("registered"))
    return found


@pytest.fixture(scope="module")
def feed(stack):
    return EventFeed(stack)


def test_two_boards_give_each_flight_one_official_prediction_and_its_outcome(stack, feed):
    stack.compose("up", "--detach", "--wait", "--no-recreate", "--scale", "board=2")
    until(60, lambda: len(stack.query('up{job="board"} == 1')) == 2, "two boards are scraped")
    for _ in range(20):
        feed.go_on()
    until(30, feed.is_predicted, "all that is due is predicted")
    until(60, lambda: len(stack.query("board_position > 200")) == 2, "both boards follow the log")
    stack.compose("up", "--detach", "--wait", "--no-recreate", "--scale", "board=1")
    said = smoke(stack)

    assert feed.ask(10)["probability"] == feed.ask(10)["official"]["probability"]
    assert "The board follows the event log, and gave 0." in said


@contextmanager
def load(stack):
    """Predictions all the while; gives the ids of those that were acknowledged. A request may fail."""
    acknowledged, stopped = [], threading.Event()
    base = httpx.get(f"{stack.url('PREDICTION_API')}/model", timeout=20).json()
    record = {column["name"]: column["example"] for column in base["schema"]["columns"]}

    def predict():
        while not stopped.wait(PAUSE_SECONDS):
            try:
                answer = httpx.post(f"{stack.url('PREDICTION_API')}/predict", json=record, timeout=10)
            except httpx.HTTPError:
                continue
            if answer.status_code == 200:
                acknowledged.append(answer.json()["prediction_id"])

    thread = threading.Thread(target=predict, daemon=True)
    thread.start()
    try:
        yield acknowledged
    finally:
        stopped.set()
        thread.join(30)


def stored(stack):
    """The ids of all predictions in the database."""
    sql = "copy (select prediction_id from predictions) to stdout"
    return stack.compose("exec", "-T", "postgres", "psql", "-qU", "ontime", "ontime", "-c", sql).split()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may kill the process of a container")
def test_each_container_is_killed_under_load_and_nothing_acknowledged_is_missing(stack, feed):
    slowest = {}
    with load(stack) as acknowledged, feed.going_on():
        for one in stack.containers():
            if one["Service"] in ONE_SHOTS:
                continue
            before, since = stack.process(one["ID"]), time.monotonic()
            stack.kill(one["ID"])
            until(HEALED_SECONDS, lambda one=one, before=before: stack.healed(one["ID"], before), f"{one['Service']} heals")
            slowest[one["Service"]] = round(time.monotonic() - since)
        time.sleep(2)
    print(f"healed after seconds: {slowest}; acknowledged: {len(acknowledged)}; flights that left: {feed.left}")
    until(60, lambda: set(acknowledged) <= set(stored(stack)), "everything acknowledged is stored")

    until(60, feed.is_predicted, "each flight that is due has one official prediction")

    found = stored(stack)
    assert len(found) == len(set(found))
    assert len(acknowledged) > 100
    assert feed.left > 50
    for number in range(0, feed.left, 10):
        answer = feed.ask(number)
        assert answer["probability"] == answer["official"]["probability"]
    smoke(stack)


@pytest.fixture
def impatient(stack):
    """The alerts fire after ten seconds instead of minutes; Prometheus reads its rules anew."""
    files = {path: path.read_text() for path in (stack.clone / "monitoring/prometheus/rules").glob("*.yml")}
    for path, text in files.items():
        path.write_text(FOR.sub("for: 10s", text))
    httpx.post(f"{stack.url('PROMETHEUS')}/-/reload", timeout=20).raise_for_status()
    yield stack
    for path, text in files.items():
        path.write_text(text)
    httpx.post(f"{stack.url('PROMETHEUS')}/-/reload", timeout=20).raise_for_status()


def alerting(stack):
    """The names of alerts that Alertmanager holds as active."""
    alerts = httpx.get(f"{stack.url('ALERTMANAGER')}/api/v2/alerts", timeout=20).raise_for_status().json()
    return {one["labels"]["alertname"] for one in alerts if one["status"]["state"] == "active"}


@pytest.mark.parametrize(
    ("services", "alerts"),
    [
        (["postgres"], {"DatabaseUnavailable"}),
        (["board"], {"BoardDown"}),
        (
            ["data-api", "mlflow", "node-exporter"],
            {"DataApiDown", "ModelReloadFailing", "ServiceDownInUptimeKuma", "TargetMissing"},
        ),
    ],
)
def test_what_is_away_is_told_and_predictions_are_answered_all_the_while(impatient, services, alerts):
    stack = impatient
    with load(stack) as acknowledged:
        stack.compose("stop", *services)
        until(180, lambda: alerts <= alerting(stack), f"{alerts} fire")
        during = len(acknowledged)
        stack.compose("start", *services)
        until(180, lambda: not alerts & alerting(stack), f"{alerts} end")

    assert during > 100
    until(60, lambda: set(acknowledged) <= set(stored(stack)), "everything acknowledged is stored")


def test_a_prediction_service_that_is_away_is_told(impatient):
    stack = impatient
    stack.compose("stop", "prediction-api")
    until(120, lambda: "PredictionApiDown" in alerting(stack), "the alert fires")
    answer = httpx.post(f"{stack.url('PREDICTION_API')}/predict", json={}, timeout=20)
    until(60, lambda: stack.query('monitor_status{monitor_name="gateway"} == 0'), "Uptime Kuma asks by the gateway")
    stack.compose("start", "prediction-api")
    until(120, lambda: "PredictionApiDown" not in alerting(stack), "the alert ends")

    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    smoke(stack)


def test_production_refuses_the_secrets_of_development(stack):
    said = stack.run("docker", "compose", "run", "--rm", "--no-deps", "-T", "data-api", status=1, ENVIRONMENT="production")

    for name in ("JWT_SECRET", "FIRST_ADMIN_PASSWORD", "FIRST_SERVICE_KEY"):
        assert f"{name} is the default of development" in said
    assert "DATABASE_PASSWORD, or the password in DATABASE_URL, is the default of development" in said


GRAFANA_CLI = """#!/bin/sh
[ "$*" = "cli --homepath /usr/share/grafana admin reset-admin-password --password-from-stdin" ] || exit 1
cat > /var/lib/grafana/noted
"""


def test_running_containers_move_to_secrets_of_their_own(stack):
    """Grafana's own command is tried where Grafana runs; a stand-in has none, and gets one that notes the password."""
    stand_in = stack.compose("exec", "-T", "grafana", "sh", "-c", "command -v grafana || echo none").strip() == "none"
    if stand_in:
        (stack.clone / "grafana-cli").write_text(GRAFANA_CLI)
        (stack.clone / "grafana-cli").chmod(0o755)
        mounted = {"services": {"grafana": {"volumes": ["./grafana-cli:/usr/local/bin/grafana:ro"]}}}
        (stack.clone / "docker-compose.override.yml").write_text(json.dumps(mounted))
        stack.compose("--profile", "monitoring", "up", "--detach", "--wait", "grafana")
    stack.compose("up", "--detach", "--wait", "--no-recreate", "--scale", "prediction-api=2", "--scale", "board=2")
    before = {one["ID"] for one in stack.containers()}

    assert "names no folder of secrets. Type `make secrets` first." in stack.run(*MAKE, "rotate", status=2)
    stack.run(*MAKE, "secrets")
    said = stack.run(*MAKE, "rotate")

    own = {path.name: path.read_text().strip() for path in (stack.clone / ".secrets/own").iterdir()}
    for service in ("PostgreSQL", "Uptime Kuma", "Grafana", "The data service's admin"):
        assert f"{service} has the new password." in said
    assert not before & {one["ID"] for one in stack.containers()}
    replicas = [one for one in stack.containers() if one["Service"] == "prediction-api"]
    assert len(replicas) == 2
    assert len([one for one in stack.containers() if one["Service"] == "board"]) == 2
    connect = "import psycopg, sys; psycopg.connect(host='postgres', user='ontime', dbname='ontime', password=sys.argv[1])"
    for password, status in (("ontime_development_database", 1), (own["database_password"], 0)):
        stack.compose("exec", "-T", "data-api", "python", "-c", connect, password, status=status)
    if stand_in:
        assert (
            stack.compose("exec", "-T", "grafana", "cat", "/var/lib/grafana/noted").strip() == own["grafana_admin_password"]
        )
    else:
        entered = httpx.get(f"{stack.url('GRAFANA')}/api/org", auth=("admin", own["grafana_admin_password"]), timeout=20)
        assert entered.status_code == 200
    assert "The whole system works" in stack.run(*MAKE, "smoke")
    now = datetime.now(UTC).isoformat()
    told = stack.run(*MAKE, "history", f"AT={now}", MLFLOW_TRACKING_URI=stack.url("MLFLOW"))
    assert re.search(r"version 1 of ontime was champion.*\n", told)
    assert len(re.findall(r"│ +\w{12} +│ +1 +│", told)) == len(replicas), told
    until(60, lambda: stack.query('up{job="uptime-kuma"} == 1'), "Prometheus reads Uptime Kuma with the new password")
