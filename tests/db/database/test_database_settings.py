"""What the owner of a PostgreSQL database set for its sessions does not reach the service, or is a sentence."""

import psycopg
import pytest
from sqlalchemy import make_url

from data_api.errors import DatabaseForeign, DatabaseReadOnly
from db.conftest import migrate
from db.postgresql_server import plain
from service_processes import until

READ_ONLY = DatabaseReadOnly.public_message


@pytest.fixture
def url(postgresql_url):
    """The address of an empty PostgreSQL database."""
    return postgresql_url


@pytest.fixture
def alter(url):
    """A function that changes a setting of the database, for connections that are made from now on."""

    def change(setting):
        writing = "-c default_transaction_read_only=off"
        with psycopg.connect(plain(url), autocommit=True, options=writing) as connection:
            connection.execute(f"ALTER DATABASE {make_url(url).database} {setting}")

    return change


@pytest.mark.parametrize("style", ["German", "SQL, DMY", "Postgres"])
def test_the_date_style_of_a_database_is_not_that_of_the_service(alter, make_client, as_service, prediction, style):
    alter(f"SET datestyle = '{style}'")
    client = make_client()

    assert client.post("/predictions", json={"predictions": [prediction()]}, headers=as_service).status_code == 201
    assert client.get("/me", headers=as_service).status_code == 200


@pytest.fixture
def is_ready(client):
    """A function that has the database checked, and gives what /readyz and the metric say of it."""

    def check():
        client.app.state.service.check_database()
        answer = client.get("/readyz")
        metric = client.get("/metrics").text.count("data_api_ready 1.0")
        return answer.status_code, metric, answer.json()["checks"]["database"]

    return check


def test_a_database_that_takes_no_writes_is_not_ready_and_writes_are_refused_with_the_reason(
    alter, client, engine, is_ready, as_service, prediction
):
    def write():
        return client.post("/predictions", json={"predictions": [prediction()]}, headers=as_service)

    assert is_ready() == (200, 1, {"ok": True, "answers": "ok"})
    alter("SET default_transaction_read_only = on")
    engine.dispose()
    answer = write()

    assert (answer.status_code, answer.json()["detail"]) == (503, f"T{READ_ONLY[1:]}.")
    assert is_ready() == (503, 0, {"ok": False, "answers": READ_ONLY})
    assert client.get("/readyz").json()["checks"]["migrations"]["ok"]
    assert client.get("/me", headers=as_service).status_code == 200
    alter("RESET default_transaction_read_only")
    until(lambda: is_ready()[0] == 200 and write().status_code == 201)


def test_a_database_that_is_read_only_from_the_start_is_waited_for(alter, make_client, as_service):
    alter("SET default_transaction_read_only = on")
    client = make_client()

    assert client.get("/readyz").json()["checks"]["database"] == {"ok": False, "answers": READ_ONLY}
    assert client.get("/me", headers=as_service).json()["detail"] == f"T{READ_ONLY[1:]}."
    alter("RESET default_transaction_read_only")
    until(lambda: client.get("/readyz").status_code == 200)


def test_a_search_path_without_a_schema_is_a_sentence(alter, url):
    alter("SET search_path = 'nowhere'")

    with pytest.raises(DatabaseForeign, match="search_path of the user of DATABASE_URL should name a schema that is there"):
        migrate(url)
