"""The image serves as a container that may write nothing; skipped by name where there is no engine."""

import json
import subprocess
import time
import uuid

import httpx
import pytest

from containers import docker, engine

IMAGE = "ontime-board"
MOST_MB = 350  # of which pandas and numpy take half
# A prediction service, where the board looks for it by default, of a model whose columns do not come from events.
PREDICTION_SERVICE = """
import http.server, json
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("content-type", "application/json"); self.end_headers()
        model = {"name": "penguins", "version": "1", "schema": {"source": None, "columns": []}}
        self.wfile.write(json.dumps(model).encode())
http.server.HTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
"""


pytestmark = [
    pytest.mark.long("containers: the image of the board"),
    pytest.mark.skipif(not engine(), reason="no Docker engine answers: the image was neither built nor run"),
]


@pytest.fixture(scope="module")
def image():
    docker("build", "--quiet", "--file", "serving/board/Dockerfile", "--tag", IMAGE, "--build-arg", "GIT_COMMIT=abc123", ".")
    return json.loads(docker("image", "inspect", IMAGE))[0]


@pytest.fixture
def container(image):
    """A board's container, read-only, without a capability, as a plain user; nobody else answers there yet."""
    name = f"ontime-test-{uuid.uuid4().hex[:8]}"
    confined = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true")
    docker(
        "run", "--detach", "--name", name, *confined, "--publish", "127.0.0.1::8002", "--health-interval", "1s", IMAGE
    )  # fmt: skip
    try:
        yield name
    finally:
        docker("rm", "--force", name, f"{name}-service")


def until_readyz(name, status):
    """The checks of /readyz, once it answers with this status."""
    until = time.monotonic() + 60
    while True:
        try:
            answer = httpx.get(f"http://{docker('port', name, '8002/tcp').splitlines()[0]}/readyz")
            if answer.status_code == status:
                return answer.json()["checks"]
        except httpx.TransportError:
            pass
        assert time.monotonic() < until, docker("logs", name)
        time.sleep(0.2)


def test_the_image_is_small_and_runs_as_a_plain_user(image):
    assert image["Size"] <= MOST_MB * 1e6
    assert image["Config"]["User"] == "10001:10001"
    assert image["Config"]["Labels"]["org.opencontainers.image.revision"] == "abc123"


def test_the_image_holds_no_library_and_no_code_that_only_others_need(image):
    names = (
        "pyarrow", "sklearn", "scipy", "mlflow", "dvc", "onnxruntime", "sqlalchemy", "prediction_api", "data_api",
        "pipeline.stages", "pipeline.registry", "pipeline.modeling",
    )  # fmt: skip
    code = f"from importlib.util import find_spec; print([name for name in {names} if find_spec(name)])"

    assert docker("run", "--rm", IMAGE, "python", "-c", code) == "[]"


def test_a_confined_container_waits_for_the_prediction_service_serves_and_stops_when_told(container):
    checks = until_readyz(container, 503)
    docker("run", "--detach", "--name", f"{container}-service", "--network", f"container:{container}", "python:3.12-slim",
           "python", "-c", PREDICTION_SERVICE)  # fmt: skip

    until_readyz(container, 200)
    until = time.monotonic() + 30
    while docker("inspect", "--format", "{{.State.Health.Status}}", container) != "healthy":
        assert time.monotonic() < until, docker("logs", container)
        time.sleep(0.2)
    docker("stop", "--time", "20", container)

    assert checks["prediction_service"]["ok"] is False
    assert docker("inspect", "--format", "{{.State.ExitCode}}", container) in ("0", "143")


def test_a_setting_that_cannot_be_used_is_a_sentence_and_the_container_ends(image):
    done = subprocess.run(
        ["docker", "run", "--rm", "--env", "WARM_UP_DAYS=soon", IMAGE],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 1
    assert "WARM_UP_DAYS" in done.stderr
    assert "Traceback" not in done.stderr
