"""A real Uptime Kuma in a container, read without the provisioner."""

import queue
import sqlite3
import subprocess
import uuid
from contextlib import contextmanager

import requests
import socketio

IMAGE = "louislam/uptime-kuma:2"
ADMIN = ("admin", "ontime-development-1")
OWN_PORT = 3001
CONFIGURATION_TABLES = (
    "monitor",
    "monitor_group",
    "`group`",
    "status_page",
    "status_page_cname",
    "user",
    "setting",
    "tag",
    "notification",
)


def docker(*words):
    completed = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    return completed.stdout.strip()


def missing():
    """Why no container can run, or nothing."""
    try:
        if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
            return "no Docker engine answers"
    except FileNotFoundError:
        return "there is no Docker"
    inspected = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False)
    return "" if inspected.returncode == 0 else f"the engine has no image {IMAGE}"


class Server:
    """Uptime Kuma in its container; its contents are read without the provisioner."""

    def __init__(self, name):
        self.name = name
        self.url = f"http://{docker('port', name, f'{OWN_PORT}/tcp').splitlines()[0]}"

    def ask(self, event, data=None):
        """The answer to one event of an admin."""
        return self._visit(lambda socket, _: socket.call(event, data))

    def monitors(self):
        """The monitors of the event monitorList, by name; fails if two have the same name."""
        listed = self._visit(lambda _, lists: list(lists.get(timeout=10).values()))
        assert len({monitor["name"] for monitor in listed}) == len(listed)
        return {monitor["name"]: monitor for monitor in listed}

    def rows(self, folder):
        """All rows of the tables that hold configuration, from the database file."""
        docker("cp", f"{self.name}:/app/data/.", str(folder))
        with sqlite3.connect(folder / "kuma.db") as database:
            return {table: database.execute(f"SELECT * FROM {table}").fetchall() for table in CONFIGURATION_TABLES}

    def metrics(self):
        """The state of each monitor by name, as Prometheus scrapes it."""
        text = requests.get(f"{self.url}/metrics", auth=ADMIN, timeout=10).text
        lines = (line for line in text.splitlines() if line.startswith("monitor_status{"))
        return {line.split('monitor_name="')[1].split('"')[0]: float(line.split()[-1]) for line in lines}

    def _visit(self, action):
        socket, lists = socketio.Client(reconnection=False), queue.Queue()
        socket.on("monitorList", lists.put)
        socket.connect(self.url)
        try:
            assert socket.call("login", {"username": ADMIN[0], "password": ADMIN[1]})["ok"]
            return action(socket, lists)
        finally:
            socket.disconnect()


@contextmanager
def running(*words):
    """A fresh Uptime Kuma, which may still be starting; ``words`` are more options of `docker run`."""
    name = f"ontime-test-{uuid.uuid4().hex[:8]}"
    own = ("--env", "UPTIME_KUMA_DB_TYPE=sqlite", "--publish", f"127.0.0.1::{OWN_PORT}")
    docker("run", "--detach", "--name", name, *own, *words, IMAGE)
    try:
        yield Server(name)
    finally:
        docker("rm", "--force", "--volumes", name)
