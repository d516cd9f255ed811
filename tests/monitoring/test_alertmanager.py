"""Alertmanager takes its configuration, tells the webhook once and not the consequences too, and stays quiet without one."""

import json
import subprocess
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Empty, Queue

import httpx
import pytest

from monitoring.programs import IMAGES, has_image, ran
from ports import free_port

FOLDER = Path("monitoring/alertmanager").resolve()
PAGE = {"alertname": "DatabaseUnavailable", "severity": "page", "job": "data-api", "instance": "a"}
CONSEQUENCE = {"alertname": "OutboxGrowing", "severity": "ticket", "job": "prediction-api", "instance": "b"}
OTHER = {"alertname": "DiskFilling", "severity": "ticket", "job": "node-exporter", "device": "/dev/a"}
needs_image = pytest.mark.skipif(
    not has_image(IMAGES["amtool"]), reason=f"no engine has {IMAGES['amtool']}: Alertmanager did not run"
)
in_container = pytest.mark.long("containers: Alertmanager with a webhook")


@pytest.fixture
def webhook():
    """An address, and the queue of what is posted to it."""
    posted = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            posted.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Says nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/alerts", posted
    server.shutdown()
    server.server_close()


@pytest.fixture
def alertmanager():
    """A function from the webhook of the environment to the name and address of an Alertmanager that runs with it."""
    names = []

    def start(webhook=None):
        names.append(f"ontime-test-{uuid.uuid4().hex[:8]}")
        address = f"127.0.0.1:{free_port()}"
        given = [] if webhook is None else ["--env", f"ALERT_WEBHOOK_URL={webhook}"]
        subprocess.run(
            [
                "docker", "run", "--detach", "--name", names[-1], "--network", "host", "--read-only", "--tmpfs", "/tmp",
                "--volume", f"{FOLDER}:/etc/alertmanager:ro", *given,
                "--entrypoint", "/etc/alertmanager/start.sh", IMAGES["amtool"],
                "--storage.path=/tmp", f"--web.listen-address={address}", "--cluster.listen-address=",
            ],
            check=True, capture_output=True,
        )  # fmt: skip
        until = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"http://{address}/-/ready").raise_for_status()
                return names[-1], f"http://{address}"
            except httpx.HTTPError:
                assert time.monotonic() < until, said(names[-1])
                time.sleep(0.1)

    yield start
    for name in names:
        subprocess.run(["docker", "rm", "--force", "--volumes", name], check=False, capture_output=True)


def said(name):
    done = subprocess.run(["docker", "logs", name], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def tell(address, *labels):
    """Alerts that fire since an hour, so that nobody waits for more of their group."""
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    httpx.post(f"{address}/api/v2/alerts", json=[{"labels": one, "startsAt": since} for one in labels]).raise_for_status()


@pytest.mark.parametrize("name", ["alertmanager.yml", "quiet.yml"])
def test_the_configuration_is_one_that_alertmanager_takes(name):
    done = ran("amtool", "check-config", str(FOLDER / name))

    assert done.returncode == 0, done.stdout + done.stderr


@in_container
@needs_image
def test_the_webhook_gets_a_cause_without_its_consequence(alertmanager, webhook):
    url, posted = webhook
    _, address = alertmanager(url)

    tell(address, PAGE)
    first = posted.get(timeout=30)
    tell(address, CONSEQUENCE, OTHER)
    second = posted.get(timeout=60)

    assert [one["labels"] for one in first["alerts"]] == [PAGE]
    assert first["groupLabels"] == {"alertname": "DatabaseUnavailable", "job": "data-api"}
    assert [one["labels"] for one in second["alerts"]] == [OTHER]
    alerts = httpx.get(f"{address}/api/v2/alerts").json()
    states = {one["labels"]["alertname"]: one["status"]["state"] for one in alerts}
    assert states == {"DatabaseUnavailable": "active", "OutboxGrowing": "suppressed", "DiskFilling": "active"}


@in_container
@needs_image
@pytest.mark.parametrize("secret", [None, ""], ids=["missing", "empty"])
def test_without_an_address_an_alert_stands_there_and_nothing_fails(alertmanager, webhook, secret):
    _, posted = webhook
    name, address = alertmanager(secret)

    tell(address, PAGE)
    with pytest.raises(Empty):
        posted.get(timeout=2)

    assert [one["labels"] for one in httpx.get(f"{address}/api/v2/alerts").json()] == [PAGE]
    assert "receiver: nobody" in httpx.get(f"{address}/api/v2/status").json()["config"]["original"]
    assert "level=ERROR" not in said(name)
    assert "level=WARN" not in said(name)


@in_container
@needs_image
def test_an_address_that_is_none_ends_the_start_with_a_sentence():
    done = subprocess.run(
        [
            "docker", "run", "--rm", "--volume", f"{FOLDER}:/etc/alertmanager:ro", "--env", "ALERT_WEBHOOK_URL=hello",
            "--entrypoint", "/etc/alertmanager/start.sh", IMAGES["amtool"],
        ],
        check=False, capture_output=True, text=True,
    )  # fmt: skip

    said = "error: ALERT_WEBHOOK_URL should begin with http:// or https://; it does not.\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)  # and no word of Alertmanager's own
