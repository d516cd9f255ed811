"""The image serves as a container that may write nothing but its database; skipped by name where there is no engine."""

import json
import subprocess
import time
import uuid

import httpx
import pytest

from containers import docker, engine, logs

IMAGE = "ontime-data-api"
MOST_MB = 350
SECRET = "a-secret-of-this-test-which-is-long-enough"


pytestmark = [
    pytest.mark.long("containers: the image of the data service"),
    pytest.mark.skipif(not engine(), reason="no Docker engine answers: the image was neither built nor run"),
]


@pytest.fixture(scope="module")
def image():
    docker("build", "--quiet", "--file", "db/Dockerfile", "--tag", IMAGE, "--build-arg", "GIT_COMMIT=abc123", ".")
    return json.loads(docker("image", "inspect", IMAGE))[0]


@pytest.fixture
def container(image):
    """The container's name and its address, once it is healthy; read-only, without a capability, as a plain user."""
    name = f"ontime-test-{uuid.uuid4().hex[:8]}"
    confined = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true")
    secrets = (
        "--env",
        f"JWT_SECRET={SECRET}",
        "--env",
        f"FIRST_ADMIN_PASSWORD={SECRET}",
        "--env",
        f"FIRST_SERVICE_KEY={SECRET}",
    )
    docker(
        "run", "--detach", "--name", name, *confined, *secrets, "--publish", "127.0.0.1::8001",
        "--volume", f"{name}:/database", "--health-interval", "1s", IMAGE,
    )  # fmt: skip
    try:
        until = time.monotonic() + 30
        while (health := docker("inspect", "--format", "{{.State.Health.Status}}", name)) != "healthy":
            assert time.monotonic() < until, f"{health}: {logs(name)}"
            time.sleep(0.2)
        yield name
    finally:
        docker("rm", "--force", name)
        docker("volume", "rm", name)


def address(name):
    return f"http://{docker('port', name, '8001/tcp').splitlines()[0]}"


def log_in(name):
    form = {"username": "admin", "password": SECRET}
    token = httpx.post(f"{address(name)}/token", data=form).raise_for_status().json()["access_token"]
    return {"authorization": f"Bearer {token}"}


def test_the_image_is_small_and_runs_as_a_plain_user(image):
    assert image["Size"] <= MOST_MB * 1e6
    assert image["Config"]["User"] == "10001:10001"
    assert image["Config"]["Labels"]["org.opencontainers.image.revision"] == "abc123"


def test_the_image_holds_no_library_that_only_others_need(image):
    names = ("pandas", "sklearn", "mlflow", "dvc", "onnxruntime", "pipeline", "prediction_api")
    code = f"from importlib.util import find_spec; print([name for name in {names} if find_spec(name)])"

    assert docker("run", "--rm", IMAGE, "python", "-c", code) == "[]"


def test_a_confined_container_keeps_its_database_through_a_kill_and_stops_when_told(container):
    reader = {"name": "reader", "role": "reader"}
    httpx.post(f"{address(container)}/users", json=reader, headers=log_in(container)).raise_for_status()

    docker("kill", container)
    docker("start", container)
    until = time.monotonic() + 30
    while docker("inspect", "--format", "{{.State.Health.Status}}", container) != "healthy":
        assert time.monotonic() < until, logs(container)
        time.sleep(0.2)

    users = httpx.get(f"{address(container)}/users", headers=log_in(container)).json()["users"]
    assert [user["name"] for user in users] == ["admin", "prediction-service", "reader"]
    docker("stop", "--time", "10", container)
    assert docker("inspect", "--format", "{{.State.ExitCode}}", container) in ("0", "143")


def test_a_container_without_secrets_of_its_own_says_so_and_ends(image):
    done = subprocess.run(["docker", "run", "--rm", IMAGE], capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 1
    assert "JWT_SECRET is not set" in done.stderr
    assert "Traceback" not in done.stderr
