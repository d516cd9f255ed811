"""Docker as the tests of images use it, where there is an engine."""

import json
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

COMMIT = "abc123"
START_SECONDS = 30
CONFINED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true")


def docker(*words: str) -> str:
    """What a docker command prints; it should succeed."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def logs(container: str) -> str:
    """What a container wrote to both of its streams."""
    done = subprocess.run(
        ["docker", "logs", container], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.stdout


def engine() -> bool:
    """Whether an engine answers."""
    try:
        return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def build(dockerfile: str, image: str) -> dict[str, Any]:
    """Builds an image as of COMMIT; gives the content of `docker image inspect`."""
    docker("build", "--quiet", "--file", dockerfile, "--tag", image, "--build-arg", f"GIT_COMMIT={COMMIT}", ".")
    content: dict[str, Any] = json.loads(docker("image", "inspect", image))[0]
    return content


def check_image(content: dict[str, Any], most_mb: int) -> None:
    """Fails unless an image that `build` gave is small, names its commit, and runs as a plain user."""
    assert content["Size"] <= most_mb * 1e6
    assert content["Config"]["User"] == "10001:10001"
    assert content["Config"]["Labels"]["org.opencontainers.image.revision"] == COMMIT


def importable(image: str, modules: Sequence[str]) -> str:
    """The list of those of the modules that Python finds in an image, as Python prints it."""
    code = f"from importlib.util import find_spec; print([name for name in {modules!r} if find_spec(name)])"
    return docker("run", "--rm", image, "python", "-c", code)


@contextmanager
def confined(image: str, port: int, *options: str, volume: str | None = None) -> Iterator[str]:
    """The name of a container without a capability, which may write only to /tmp and to a volume; removed in the end."""
    name = f"ontime-test-{uuid.uuid4().hex[:8]}"
    mount = ("--volume", f"{name}:{volume}") if volume else ()
    published = ("--publish", f"127.0.0.1::{port}", "--health-interval", "1s")
    docker("run", "--detach", "--name", name, *CONFINED, *mount, *published, *options, image)
    try:
        yield name
    finally:
        docker("rm", "--force", name)
        if volume:
            docker("volume", "rm", name)


def address(container: str, port: int) -> str:
    """The URL of a container on this machine, which changes when it starts again."""
    return f"http://{docker('port', container, f'{port}/tcp').splitlines()[0]}"


def wait_until_healthy(container: str) -> None:
    """Returns once the health check of a container succeeds."""
    end = time.monotonic() + START_SECONDS
    while (health := docker("inspect", "--format", "{{.State.Health.Status}}", container)) != "healthy":
        assert time.monotonic() < end, f"{health}: {logs(container)}"
        time.sleep(0.2)


def stop(container: str, seconds: int = 10) -> str:
    """Stops a container, which is killed after so many seconds; gives its exit status."""
    docker("stop", "--time", str(seconds), container)
    return docker("inspect", "--format", "{{.State.ExitCode}}", container)
