"""The image serves as a container that may write nothing; skipped by name where there is no engine."""

import subprocess
import time

import httpx
import pytest

from containers import address, build, check_image, confined, docker, engine, importable, stop, wait_until_healthy

IMAGE, PORT = "ontime-board", 8002
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
    return build("serving/board/Dockerfile", IMAGE)


@pytest.fixture
def container(image):
    """A board's container, read-only, without a capability, as a plain user; nobody else answers there yet."""
    with confined(IMAGE, PORT, "--env", f"BOARD_SESSION_SECRET={'x' * 32}") as name:
        yield name


def until_readyz(name, status):
    """The checks of /readyz, once it answers with this status."""
    until = time.monotonic() + 60
    while True:
        try:
            answer = httpx.get(f"{address(name, PORT)}/readyz")
            if answer.status_code == status:
                return answer.json()["checks"]
        except httpx.TransportError:
            pass
        assert time.monotonic() < until, docker("logs", name)
        time.sleep(0.2)


def test_the_image_is_small_and_runs_as_a_plain_user(image):
    check_image(image, MOST_MB)


def test_the_image_holds_no_library_and_no_code_that_only_others_need(image):
    names = (
        "pyarrow", "sklearn", "scipy", "mlflow", "dvc", "onnxruntime", "sqlalchemy", "prediction_api", "data_api",
        "pipeline.stages", "pipeline.registry", "pipeline.modeling",
    )  # fmt: skip

    assert importable(IMAGE, names) == "[]"


def test_a_confined_container_waits_for_the_prediction_service_serves_and_stops_when_told(container):
    checks = until_readyz(container, 503)
    docker("run", "--detach", "--name", f"{container}-service", "--network", f"container:{container}", "python:3.12-slim",
           "python", "-c", PREDICTION_SERVICE)  # fmt: skip

    try:
        until_readyz(container, 200)
        wait_until_healthy(container)

        assert checks["prediction_service"]["ok"] is False
        assert stop(container, 20) in ("0", "143")
    finally:
        docker("rm", "--force", f"{container}-service")


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
