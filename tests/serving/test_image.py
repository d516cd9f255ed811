"""The image serves as a container that may write nothing but its outbox; skipped by name where there is no engine."""

import subprocess
import time

import httpx
import pytest

from containers import address, build, check_image, confined, docker, engine, importable, stop, wait_until_healthy

IMAGE, PORT = "ontime-prediction-api", 8000
MOST_MB = 350


pytestmark = [
    pytest.mark.long("containers: the image of the prediction service"),
    pytest.mark.skipif(not engine(), reason="no Docker engine answers: the image was neither built nor run"),
]


@pytest.fixture(scope="module")
def image():
    return build("serving/Dockerfile", IMAGE)


@pytest.fixture
def container(image, make_model):
    """The container's name, once it is healthy; read-only, without a capability, as a plain user."""
    folder = make_model()
    folder.chmod(0o755)
    with confined(IMAGE, PORT, "--volume", f"{folder}:/model:ro", volume="/outbox") as name:
        wait_until_healthy(name)
        yield name


def test_the_image_is_small_and_runs_as_a_plain_user(image):
    check_image(image, MOST_MB)


def test_the_image_holds_no_library_that_only_the_pipeline_needs(image):
    names = ("pandas", "sklearn", "dvc", "mlflow", "sqlalchemy", "pipeline")

    assert importable(IMAGE, names) == "[]"


def test_a_confined_container_answers_keeps_its_predictions_through_a_kill_and_stops_when_told(container, record):
    answer = httpx.post(f"{address(container, PORT)}/predict", json=record).raise_for_status().json()
    assert httpx.get(f"{address(container, PORT)}/model").json()["lineage"]["git_commit"] == "abc123"

    docker("kill", container)
    docker("start", container)
    url = address(container, PORT)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            waiting = httpx.get(f"{url}/readyz").json()["checks"]["outbox"]["waiting"]
            break
        except httpx.TransportError:
            time.sleep(0.1)

    assert waiting == 1
    assert answer["prediction_id"] in docker("exec", container, "sh", "-c", "cat /outbox/*.log")
    assert stop(container) in ("0", "143")


def test_a_container_without_a_model_says_so_and_ends(image):
    done = subprocess.run(["docker", "run", "--rm", IMAGE], capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 1
    assert "/model should hold model.onnx, schema.json, metadata.json" in done.stderr
    assert "Traceback" not in done.stderr
