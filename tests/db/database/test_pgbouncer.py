"""The service behind PgBouncer in transaction mode, where each transaction may get another server process."""

import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import make_url, text

from db.postgresql_server import plain
from ports import free_port

PGBOUNCER = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
POOLED = 3  # fewer server processes than the service has connections
CONFIGURATION = """
[databases]
* = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listening}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pooled}
"""


@pytest.fixture
def url(postgresql_url, tmp_path):
    """The address of an empty database behind PgBouncer, whose other settings are its defaults."""
    if PGBOUNCER is None:
        pytest.skip("there is no pgbouncer (apt-get install pgbouncer): the service was not tried behind it")
    address = make_url(postgresql_url)
    listening = free_port()
    content = CONFIGURATION.format(
        host=address.host, port=address.port, user=address.username, listening=listening, pooled=POOLED
    )
    (tmp_path / "pgbouncer.ini").write_text(content)
    for folder in (tmp_path, *tmp_path.parents[:2]):  # it refuses root, and another user reads its file
        folder.chmod(0o755)
    pooler = subprocess.Popen([PGBOUNCER, "-u", "nobody", tmp_path / "pgbouncer.ini"], stderr=subprocess.DEVNULL)
    pooled_url = address.set(host="127.0.0.1", port=listening).render_as_string(hide_password=False)
    until = time.monotonic() + 20
    try:
        while True:
            try:
                psycopg.connect(plain(pooled_url)).close()
                break
            except psycopg.OperationalError:
                assert time.monotonic() < until
                time.sleep(0.05)
        yield pooled_url
    finally:
        pooler.kill()
        pooler.wait()


def test_the_service_works_behind_a_pooler_of_transactions(client, as_service, prediction):
    def ask(_):
        """What a service and a person ask, one transaction after the other."""
        rows = [prediction() for _ in range(3)]
        outcomes = [{"prediction_id": row["prediction_id"], "outcome": True} for row in rows]
        me = client.get("/me", headers=as_service)
        stored = client.post("/predictions", json={"predictions": rows}, headers=as_service)
        known = client.post("/outcomes", json={"outcomes": outcomes}, headers=as_service)
        token = client.post("/token", data={"username": "admin", "password": "development"}).json()["access_token"]
        scores = client.get("/performance?by=day", headers={"authorization": f"Bearer {token}"})
        return [answer.status_code for answer in (me, stored, known, scores)]

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(48)))

    assert answers == [[200, 201, 201, 200]] * 48
    assert client.get("/readyz").status_code == 200


def test_a_pooler_passes_on_that_a_statement_takes_too_long(make_client, as_service, monkeypatch):
    client = make_client(statement_seconds=0.3)
    monkeypatch.setattr(
        "data_api.crud.api_keys.get_valid_with_user", lambda session, _: session.execute(text("SELECT pg_sleep(5)"))
    )

    answer = client.get("/me", headers=as_service)

    assert answer.status_code == 422
    assert "STATEMENT_SECONDS" in answer.json()["detail"]
