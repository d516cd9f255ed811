"""The host of PostgreSQL vanishes without a word: what waits for it is given up soon, and what comes later works again."""

import os
import shutil
import socket
import subprocess
import sys

import pytest
from sqlalchemy import text

from data_api.database.engine import create_engine_for

IN_A_NETWORK_OF_ITS_OWN = """
import subprocess, threading, time
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
from sqlalchemy import text
from data_api.database.engine import create_engine_for, transaction
from data_api.errors import DatabaseUnavailable
from db.postgresql_server import PostgresqlServer

def ask(question):
    begin = time.monotonic()
    try:
        with transaction(engine) as session:
            session.execute(text(question))
            told.append("answered")
    except DatabaseUnavailable:
        told.append("away" if time.monotonic() - begin < 20 else "away after long")

server, told = PostgresqlServer(may_forget=True), []
try:
    engine = create_engine_for(server.url)
    waiting = threading.Thread(target=ask, args=["SELECT pg_sleep(25)"])
    waiting.start()
    time.sleep(0.5)
    for side in ("--dport", "--sport"):
        subprocess.run(["iptables", "-A", "INPUT", "-p", "tcp", side, str(server.port), "-j", "DROP"], check=True)
    ask("SELECT 1")
    waiting.join()
    subprocess.run(["iptables", "-F"], check=True)
    ask("SELECT 1")
finally:
    server.close()
print(told)
"""


def test_a_connection_finds_out_soon_that_the_other_side_is_gone(postgresql_url):
    engine = create_engine_for(postgresql_url)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        with socket.socket(fileno=os.dup(connection.connection.dbapi_connection.fileno())) as found:
            options = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
            told = [found.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in options]
    engine.dispose()

    assert told == [5, 2, 3, 10_000]


def test_a_question_to_a_host_that_vanished_is_given_up(tmp_path):
    enter = ["unshare", "--net"]
    if not shutil.which("iptables") or subprocess.run([*enter, "true"], capture_output=True, check=False).returncode:
        pytest.skip("only root may have a network of its own: a host that vanishes was not tried")
    environment = {**os.environ, "PYTHONPATH": "src:db:tests"}
    command = [*enter, sys.executable, "-c", IN_A_NETWORK_OF_ITS_OWN]

    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=90)

    assert done.stdout == "['away', 'away', 'answered']\n", done.stdout + done.stderr
