"""A PostgreSQL database that cannot hold every text is refused in a sentence, at the start and by the commands."""

import psycopg
import pytest
from sqlalchemy import make_url

from data_api.database import migrations_runner
from data_api.database.engine import create_engine_for
from data_api.errors import DatabaseForeign
from db.postgresql_server import plain


@pytest.fixture(params=["LATIN1", "SQL_ASCII", "EUC_JP"])
def encoding(request):
    return request.param


@pytest.fixture
def url(postgresql, encoding):
    name = f"in_{encoding.lower()}"
    with psycopg.connect(plain(postgresql), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
        yield make_url(postgresql).set(database=name).render_as_string(hide_password=False)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_database_in_another_encoding_is_refused_with_what_to_do(url, encoding):
    engine = create_engine_for(url)
    with pytest.raises(DatabaseForeign, match=rf"should have the encoding UTF8; it has {encoding}\. Make one with CREATE"):
        migrations_runner.upgrade(engine)
    engine.dispose()


def test_the_encoding_of_the_client_is_not_that_of_the_environment(postgresql_url, monkeypatch):
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with create_engine_for(postgresql_url).connect() as connection:
        assert connection.exec_driver_sql("SELECT 'Łódź😀'").scalar_one() == "Łódź😀"
