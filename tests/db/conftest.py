"""Databases of both kinds, fresh for each test, and the application on them.

SQLite is a file; PostgreSQL a server that the tests start themselves, or the one of TEST_DATABASE_URL.
The migrations run once in a session; a test that needs their result copies it.
"""

import os
import shutil
import uuid
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import cache, partial

import psycopg
import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from sqlalchemy import make_url
from uuid_utils import uuid7

from data_api.app import create_app
from data_api.auth import passwords
from data_api.crud import api_keys, users
from data_api.database import migrations_runner
from data_api.database.engine import create_engine_for, transaction
from data_api.models import Role
from data_api.settings import read
from db.postgresql_server import PostgresqlServer, plain
from service_kit.api_keys import digest, new

SERVICE_KEY = "ontime_development_key_of_the_prediction_service"


@pytest.fixture(scope="session")
def postgresql():
    """The address of a PostgreSQL server: TEST_DATABASE_URL, or one that lives as long as the tests."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    server = PostgresqlServer(may_forget=True)
    yield server.url
    server.close()


@contextmanager
def database(server, template="template1"):
    """The address of a new database on a server, a copy of the template, for as long as the block lasts."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(plain(server), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def migrate(url):
    """Brings the database to the newest schema, and leaves no connection open."""
    engine = create_engine_for(url)
    migrations_runner.upgrade(engine)
    engine.dispose()


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql):
    """The name of a migrated PostgreSQL database that nobody uses: a template."""
    with database(postgresql) as url:
        migrate(url)
        yield make_url(url).database


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory):
    """The file of a migrated SQLite database that nobody uses, without the log beside it."""
    path = tmp_path_factory.mktemp("migrated") / "template.db"
    migrate(f"sqlite:///{path}")
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return path


@pytest.fixture
def postgresql_url(postgresql):
    """The address of an empty PostgreSQL database."""
    with database(postgresql) as found:
        yield found


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request, tmp_path):
    """The address of an empty database, once of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/test.db"
        return
    with database(request.getfixturevalue("postgresql")) as found:
        yield found


@contextmanager
def migrated(request, folder):
    """The address of a migrated database without a row, of the kind that the parameter of the fixture names."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), folder / "test.db")
        yield f"sqlite:///{folder}/test.db"
        return
    template = request.getfixturevalue("migrated_postgresql")
    with database(request.getfixturevalue("postgresql"), template) as found:
        yield found


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """The address of a migrated database without a row, once of each kind."""
    with migrated(request, tmp_path) as found:
        yield found


@contextmanager
def quick_hashes():
    """Has Argon2 take a thousandth of its memory and time in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "PasswordHasher", partial(PasswordHasher, time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture(autouse=True)
def quick_passwords(request):
    """Hashes are quick, except in tests that ask for `strong_passwords`."""
    with ExitStack() as changed:
        if "strong_passwords" not in request.fixturenames:
            changed.enter_context(quick_hashes())
        yield


@pytest.fixture
def strong_passwords():
    """The parameters of Argon2 are those of production."""


@contextmanager
def development():
    """The environment says nothing of the service."""
    with pytest.MonkeyPatch.context() as patch:
        for name in (
            "ENVIRONMENT",
            "DATABASE_PASSWORD",
            "JWT_SECRET",
            "FIRST_ADMIN",
            "FIRST_ADMIN_PASSWORD",
            "FIRST_SERVICE_KEY",
        ):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture
def make_settings(url):
    """A function that gives settings of development on the database of the test, with changes."""
    with development():
        yield lambda **changes: read(**{"database_url": url, "access_log": False, **changes})


@pytest.fixture
def make_client(make_settings):
    """A function that starts the application and gives a client of it; all end with the test."""
    with ExitStack() as running:

        def start(**changes):
            app = create_app(make_settings(**changes))
            return running.enter_context(TestClient(app, raise_server_exceptions=False))

        yield start


@pytest.fixture
def client(make_client):
    """A client of the application with the settings of development."""
    return make_client()


@pytest.fixture
def engine(client):
    """The engine of that application."""
    return client.app.state.service.engine


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_client(request, tmp_path_factory):
    """One client for all tests of a file, once for each kind of database: for requests that change nothing."""
    with migrated(request, tmp_path_factory.mktemp("shared")) as url, quick_hashes(), development():
        app = create_app(read(database_url=url, access_log=False))
        with TestClient(app, raise_server_exceptions=False) as client:
            yield client


def header(engine, role, name=None):
    """The header of a new user of a role, which shows the user's key."""
    key, now = new(), datetime.now(UTC)
    with transaction(engine) as session:
        user = users.create(session, name or f"a-{role}", Role(role), None, now)
        api_keys.create(session, user.user_id, "key", digest(key), now)
    return {"x-api-key": key}


@pytest.fixture(scope="module")
def shared_caller(shared_client):
    """A function from a role to the header of the one user who has it, for the shared client."""
    return cache(partial(header, shared_client.app.state.service.engine))


@pytest.fixture
def make_caller(engine):
    """A function that makes a user of a role with a key, and gives the header that shows it."""
    return partial(header, engine)


@pytest.fixture
def as_admin(make_caller):
    """The header of an admin."""
    return make_caller("admin")


@pytest.fixture
def as_reader(make_caller):
    """The header of a reader."""
    return make_caller("reader")


@pytest.fixture
def as_service():
    """The header of the prediction service."""
    return {"x-api-key": SERVICE_KEY}


@pytest.fixture
def prediction():
    """A function that gives a new prediction as the prediction service sends it, with changes."""

    def make(**changes):
        return {
            "prediction_id": str(uuid7()), "probability": 0.25, "label": False, "threshold": 0.5, "model_version": "one",
            "warnings": [], "time": datetime.now(UTC).isoformat(), "model_name": "ontime", "caller": None,
            "features": {"carrier": "UA", "distance": 1400.0, "seats": None, "late": True},
        } | changes  # fmt: skip

    return make


@pytest.fixture
def post_text(client, as_service):
    """A function that posts text as JSON, and gives the status and the content of the answer."""

    def send(path, content):
        answer = client.post(path, content=content, headers={"content-type": "application/json", **as_service})
        assert answer.status_code < 500, answer.text
        return answer.status_code, answer.json()

    return send


@pytest.fixture
def get_json(client, as_admin):
    """A function that asks as an admin, and gives the status and the content of the answer."""

    def ask(path, **query):
        answer = client.get(path, params=query, headers=as_admin)
        assert answer.status_code < 500, answer.text
        return answer.status_code, answer.json()

    return ask
