"""Docker as the tests of images use it, where there is an engine."""

import subprocess


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
