"""Databases of both kinds, fresh for each test: a file, and one on a PostgreSQL server that the tests start themselves."""

import os
import uuid

import psycopg
import pytest
from sqlalchemy import make_url

from db.postgresql_server import PostgresqlServer, plain


@pytest.fixture(scope="session")
def postgresql():
    """The address of a PostgreSQL server: TEST_DATABASE_URL, or one that lives as long as the tests."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    server = PostgresqlServer(("fsync=off",))
    yield server.url
    server.close()


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
