"""What services export; files that declare what an Uptime Kuma can reach by itself; runs of the provisioner on them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from monitoring import exporting
from monitoring.uptime_kuma import OWN_PORT, missing, running


def pytest_collection_modifyitems(items):
    """Whatever starts an Uptime Kuma is long."""
    for item in items:
        if "server" in item.fixturenames and item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.long("containers: Uptime Kuma, provisioned again and again"))


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """Of each job the series that its service exports once it is used: names, and labels with values."""
    return exporting.exported(tmp_path_factory.mktemp("database"))


@pytest.fixture
def server():
    """A fresh Uptime Kuma, which may still be starting."""
    if reason := missing():
        pytest.skip(f"{reason}: Uptime Kuma was not run")
    with running() as server:
        yield server


class Files:
    """Both files, to be edited; each of their monitors is the server itself."""

    def __init__(self, folder):
        self.paths = {"KUMA_CONFIG": folder / "kuma_config.yml", "KUMA_AGENT": folder / "kuma_agent.yml"}
        itself = {"type": "http", "url": f"http://127.0.0.1:{OWN_PORT}/", "interval_seconds": 20}
        self.monitors = {"web": itself, "base": {"type": "port", "hostname": "127.0.0.1", "port": OWN_PORT}}
        self.heartbeats = {"work": {"token_env": "OUTBOX_HEARTBEAT_TOKEN"}}
        self.page = {"slug": "things", "title": "Things", "groups": {"Asked": ["web", "base"], "Told": ["work"]}}

    def write(self):
        config = {"monitors": self.monitors, "status_page": self.page}
        for path, content in zip(self.paths.values(), (config, {"heartbeats": self.heartbeats}), strict=True):
            path.write_text(yaml.safe_dump(content, sort_keys=False))


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


@pytest.fixture
def start(files):
    """A function that starts the provisioner for a URL, with more environment; it writes the files first."""

    def run(url, *arguments, **environment):
        files.write()
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("KUMA_") and "HEARTBEAT" not in name
        }
        paths = {name: str(path) for name, path in files.paths.items()}
        return subprocess.Popen(
            [sys.executable, "-m", "kuma_provisioner", *arguments],
            env=inherited
            | {"KUMA_URL": url, "KUMA_WAIT_SECONDS": "60", "ENVIRONMENT": "development", **paths}
            | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return run


@pytest.fixture
def provision(start):
    """A function that runs the provisioner to its end and returns exit status, lines of output, text of errors."""

    def run(url, *arguments, **environment):
        process = start(url, *arguments, **environment)
        out, errors = process.communicate(timeout=120)
        return process.returncode, out.splitlines(), errors

    return run


@pytest.fixture
def eventually():
    """A function that asks until the answer is accepted, and returns that answer."""

    def wait(ask, accepts, seconds=30):
        until = time.monotonic() + seconds
        while not accepts(answer := ask()) and time.monotonic() < until:
            time.sleep(0.3)
        assert accepts(answer), answer
        return answer

    return wait
