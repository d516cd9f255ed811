"""What the owner of a PostgreSQL database set for its sessions does not reach the service, or is a sentence."""

import psycopg
import pytest
from sqlalchemy import make_url

from data_api.errors import DatabaseForeign
from db.conftest import migrate
from db.postgresql_server import plain


@pytest.fixture
def url(postgresql_url):
    """The address of an empty PostgreSQL database."""
    return postgresql_url


@pytest.fixture
def alter(url):
    """A function that changes a setting of the database, for connections that are made from now on."""

    def change(setting):
        with psycopg.connect(plain(url), autocommit=True) as connection:
            connection.execute(f"SET default_transaction_read_only = off; ALTER DATABASE {make_url(url).database} {setting}")

    return change


@pytest.mark.parametrize("style", ["German", "SQL, DMY", "Postgres"])
def test_the_date_style_of_a_database_is_not_that_of_the_service(alter, make_client, as_service, prediction, style):
    alter(f"SET datestyle = '{style}'")
    client = make_client()

    assert client.post("/predictions", json={"predictions": [prediction()]}, headers=as_service).status_code == 201
    assert client.get("/me", headers=as_service).status_code == 200


def test_a_search_path_without_a_schema_is_a_sentence(alter, url):
    alter("SET search_path = 'nowhere'")

    with pytest.raises(DatabaseForeign, match="search_path of the user of DATABASE_URL should name a schema that is there"):
        migrate(url)
