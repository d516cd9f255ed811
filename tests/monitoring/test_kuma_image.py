"""The image provisions what this repository declares, writes nothing and ends; skipped if it cannot run."""

import json
import subprocess
import uuid

import pytest

from monitoring.uptime_kuma import docker, missing, running

IMAGE = "ontime-kuma-provisioner"
MAX_MB = 200
CONFINED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true")
UNAVAILABLE = missing()
pytestmark = [
    pytest.mark.long("containers: the image that provisions Uptime Kuma"),
    pytest.mark.skipif(bool(UNAVAILABLE), reason=f"{UNAVAILABLE}: the image was neither built nor run"),
]


@pytest.fixture(scope="module")
def image():
    build = ("--file", "monitoring/kuma/Dockerfile", "--tag", IMAGE, "--build-arg", "GIT_COMMIT=abc123")
    docker("build", "--quiet", *build, ".")
    return json.loads(docker("image", "inspect", IMAGE))[0]


@pytest.fixture
def network():
    name = f"ontime-test-{uuid.uuid4().hex[:8]}"
    docker("network", "create", name)
    yield name
    docker("network", "rm", name)


def run_once(*words):
    completed = subprocess.run(
        ["docker", "run", "--rm", *CONFINED, *words], capture_output=True, text=True, check=False, timeout=60
    )
    return completed.returncode, completed.stdout.splitlines(), completed.stderr


def test_the_image_is_small_and_runs_as_a_plain_user_to_an_end(image):
    assert image["Size"] <= MAX_MB * 1e6
    assert image["Config"]["User"] == "10001:10001"
    assert image["Config"].get("Healthcheck") is None
    assert image["Config"]["Labels"]["org.opencontainers.image.revision"] == "abc123"


def test_the_image_holds_no_library_that_only_others_need(image):
    names = ("pandas", "mlflow", "dvc", "fastapi", "sqlalchemy", "pipeline", "prediction_api", "data_api")
    code = f"from importlib.util import find_spec; print([name for name in {names} if find_spec(name)])"

    assert docker("run", "--rm", "--entrypoint", "python", IMAGE, "-c", code) == "[]"


def test_a_confined_container_provisions_what_is_declared_and_a_second_one_changes_nothing(image, network, tmp_path):
    secret = tmp_path / "password"
    secret.write_text("a-password-of-its-own-1\n")
    secret.chmod(0o644)
    options = ("--volume", f"{secret}:/secret:ro", "--env", "KUMA_ADMIN_PASSWORD_FILE=/secret")
    with running("--network", network, "--network-alias", "uptime-kuma"):
        first, second = (run_once("--network", network, *options, IMAGE) for _ in range(2))

    status, out, errors = first
    assert (status, out[-1]) == (0, "15 added, 0 edited, 0 removed, 0 unchanged"), errors
    assert "KUMA_ADMIN_PASSWORD" not in errors
    assert second[:2] == (0, ["0 added, 0 edited, 0 removed, 15 unchanged"])


def test_other_files_take_the_place_of_those_in_the_image(image, tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "kuma_config.yml").write_text("monitors: {web: {}}")
    (tmp_path / "kuma_agent.yml").write_text("heartbeats: {}")

    status, out, errors = run_once("--volume", f"{tmp_path}:/etc/kuma:ro", IMAGE, "--check")

    assert (status, out) == (1, [])
    assert errors == "error: kuma_config.yml: monitors.web.type: should be http or port, and is missing\n"
