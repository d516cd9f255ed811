"""Databases of both kinds, fresh for each test, and the application on them.

SQLite is a file; PostgreSQL a server that the tests start themselves, or the one of TEST_DATABASE_URL.
"""

import os
import uuid
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

import psycopg
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import make_url
from uuid_utils import uuid7

from data_api.app import create_app
from data_api.auth import keys
from data_api.crud import api_keys, users
from data_api.database.engine import transaction
from data_api.models import Role
from data_api.settings import read
from db.postgresql_server import PostgresqlServer, plain

SERVICE_KEY = "ontime_development_key_of_the_prediction_service"


@pytest.fixture(scope="session")
def postgresql():
    """The address of a PostgreSQL server: TEST_DATABASE_URL, or one that lives as long as the tests."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    server = PostgresqlServer(("fsync=off",))
    yield server.url
    server.close()


@contextmanager
def database(server):
    """The address of an empty database on a server, for as long as the block lasts."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(plain(server), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgresql_url(postgresql):
    """The address of an empty PostgreSQL database."""
    with database(postgresql) as found:
        yield found


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """The address of an empty database, once of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/test.db"
        return
    with database(request.getfixturevalue("postgresql")) as found:
        yield found


@pytest.fixture
def make_settings(url, monkeypatch):
    """A function that gives settings of development on the database of the test, with changes."""
    for name in (
        "ENVIRONMENT",
        "DATABASE_PASSWORD",
        "JWT_SECRET",
        "FIRST_ADMIN",
        "FIRST_ADMIN_PASSWORD",
        "FIRST_SERVICE_KEY",
    ):
        monkeypatch.delenv(name, raising=False)
    return lambda **changes: read(**{"database_url": url, "access_log": False, **changes})


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


@pytest.fixture
def make_caller(engine):
    """A function that makes a user of a role with a key, and gives the header that shows it."""

    def make(role, name=None):
        key, now = keys.new(), datetime.now(UTC)
        with transaction(engine) as session:
            user = users.create(session, name or f"a-{role}", Role(role), None, now)
            api_keys.create(session, user.user_id, "key", keys.digest(key), now)
        return {"x-api-key": key}

    return make


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
