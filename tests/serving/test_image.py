"""The image serves as a container that may write nothing but its outbox; skipped by name where there is no engine."""

import json
import subprocess
import time
import uuid

import httpx
import pytest

from containers import docker, engine

IMAGE = "ontime-prediction-api"
MOST_MB = 450  # of which the client of the registry takes 80


pytestmark = [
    pytest.mark.long("containers: the image of the prediction service"),
    pytest.mark.skipif(not engine(), reason="no Docker engine answers: the image was neither built nor run"),
]


@pytest.fixture(scope="module")
def image():
    docker("build", "--quiet", "--file", "serving/Dockerfile", "--tag", IMAGE, "--build-arg", "GIT_COMMIT=abc123", ".")
    return json.loads(docker("image", "inspect", IMAGE))[0]


@pytest.fixture
def container(image, make_model):
    """The container's name and its address, once it is healthy; read-only, without a capability, as a plain user."""
    name = f"ontime-test-{uuid.uuid4().hex[:8]}"
    confined = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true")
    folder = make_model()
    folder.chmod(0o755)
    docker(
        "run", "--detach", "--name", name, *confined, "--publish", "127.0.0.1::8000", "--volume", f"{folder}:/model:ro",
        "--volume", f"{name}:/outbox", "--health-interval", "1s", IMAGE,
    )  # fmt: skip
    try:
        until = time.monotonic() + 30
        while (health := docker("inspect", "--format", "{{.State.Health.Status}}", name)) != "healthy":
            assert time.monotonic() < until, f"{health}: {docker('logs', name)}"
            time.sleep(0.2)
        yield name, f"http://{docker('port', name, '8000/tcp').splitlines()[0]}"
    finally:
        docker("rm", "--force", name)
        docker("volume", "rm", name)


def test_the_image_is_small_and_runs_as_a_plain_user(image):
    assert image["Size"] <= MOST_MB * 1e6
    assert image["Config"]["User"] == "10001:10001"
    assert image["Config"]["Labels"]["org.opencontainers.image.revision"] == "abc123"


def test_the_image_holds_no_library_that_only_the_pipeline_needs(image):
    names = ("pandas", "sklearn", "dvc", "sqlalchemy", "pipeline")
    code = f"from importlib.util import find_spec; print([name for name in {names} if find_spec(name)])"

    assert docker("run", "--rm", IMAGE, "python", "-c", code) == "[]"


def test_a_confined_container_answers_keeps_its_predictions_through_a_kill_and_stops_when_told(container, record):
    name, address = container
    answer = httpx.post(f"{address}/predict", json=record).raise_for_status().json()
    assert httpx.get(f"{address}/model").json()["lineage"]["git_commit"] == "abc123"

    docker("kill", name)
    docker("start", name)
    address = f"http://{docker('port', name, '8000/tcp').splitlines()[0]}"
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            waiting = httpx.get(f"{address}/readyz").json()["checks"]["outbox"]["waiting"]
            break
        except httpx.TransportError:
            time.sleep(0.1)

    assert waiting == 1
    assert answer["prediction_id"] in docker("exec", name, "sh", "-c", "cat /outbox/*.log")
    docker("stop", "--time", "10", name)
    assert docker("inspect", "--format", "{{.State.ExitCode}}", name) in ("0", "143")


def test_a_container_without_a_model_says_so_and_ends(image):
    done = subprocess.run(["docker", "run", "--rm", IMAGE], capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 1
    assert "/model should hold model.onnx, schema.json, metadata.json" in done.stderr
    assert "Traceback" not in done.stderr
