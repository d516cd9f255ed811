"""The image serves as a container that may write nothing but its database; skipped by name where there is no engine."""

import subprocess

import httpx
import pytest

from containers import address, build, check_image, confined, docker, engine, importable, stop, wait_until_healthy

IMAGE, PORT = "ontime-data-api", 8001
MOST_MB = 350
SECRET = "a-secret-of-this-test-which-is-long-enough"


pytestmark = [
    pytest.mark.long("containers: the image of the data service"),
    pytest.mark.skipif(not engine(), reason="no Docker engine answers: the image was neither built nor run"),
]


@pytest.fixture(scope="module")
def image():
    return build("db/Dockerfile", IMAGE)


@pytest.fixture
def container(image):
    """The container's name, once it is healthy; read-only, without a capability, as a plain user."""
    secrets = (
        "--env", f"JWT_SECRET={SECRET}", "--env", f"FIRST_ADMIN_PASSWORD={SECRET}", "--env", f"FIRST_SERVICE_KEY={SECRET}",
    )  # fmt: skip
    with confined(IMAGE, PORT, *secrets, volume="/database") as name:
        wait_until_healthy(name)
        yield name


def log_in(name):
    form = {"username": "admin", "password": SECRET}
    token = httpx.post(f"{address(name, PORT)}/token", data=form).raise_for_status().json()["access_token"]
    return {"authorization": f"Bearer {token}"}


def test_the_image_is_small_and_runs_as_a_plain_user(image):
    check_image(image, MOST_MB)


def test_the_image_holds_no_library_that_only_others_need(image):
    names = ("pandas", "sklearn", "mlflow", "dvc", "onnxruntime", "pipeline", "prediction_api")

    assert importable(IMAGE, names) == "[]"


def test_a_confined_container_keeps_its_database_through_a_kill_and_stops_when_told(container):
    reader = {"name": "reader", "role": "reader"}
    httpx.post(f"{address(container, PORT)}/users", json=reader, headers=log_in(container)).raise_for_status()

    docker("kill", container)
    docker("start", container)
    wait_until_healthy(container)

    users = httpx.get(f"{address(container, PORT)}/users", headers=log_in(container)).json()["users"]
    assert [user["name"] for user in users] == ["admin", "prediction-service", "reader"]
    assert stop(container) in ("0", "143")


def test_a_container_without_secrets_of_its_own_says_so_and_ends(image):
    done = subprocess.run(["docker", "run", "--rm", IMAGE], capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 1
    assert "JWT_SECRET is not set" in done.stderr
    assert "Traceback" not in done.stderr
