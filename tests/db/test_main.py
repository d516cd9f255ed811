"""`python -m data_api` as people run it: it serves until told to stop, and says in a sentence what keeps it from that.

Each command runs in a process of its own once, and in that of the test where a case is about its words or its SQL.
"""

import http.client
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select
from uuid_utils import uuid7

import in_process
import warm_process
from data_api import __main__ as command_line
from data_api.crud import users
from data_api.database import partitions
from data_api.database.engine import create_engine_for, transaction
from data_api.database.migrations_runner import head
from data_api.database.uuid7 import first_at
from data_api.models import ApiKey, Outcome, Role
from ports import free_port
from raw_http import PATIENCE_SECONDS, rest

KEY = {"x-api-key": "ontime_development_key_of_the_prediction_service"}


def environment(**settings):
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR", "LANG"}}
    return {**kept, "PYTHONPATH": "src:db", **settings}


def run(*words, text="", **settings):
    """What a command ends with and prints, in the process of the test."""
    done = in_process.call(
        command_line.main, ["data_api", *words], folder=Path.cwd(), environment=environment(**settings), text=text
    )
    return done.returncode, done.stdout, done.stderr


def run_process(*words, text="", **settings):
    """The same in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "data_api", *words], env=environment(**settings), input=text, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@contextmanager
def running(url, folder, **settings):
    """A service in a process of its own, until the block ends; the process, its address and its log."""
    port, log = free_port(), folder / "data_api.log"
    settings = environment(DATABASE_URL=url, DATA_API_PORT=str(port), **settings)
    with log.open("wb") as output:
        process = warm_process.start("data_api", settings, output, Path.cwd(), ["serve"])
    until = time.monotonic() + 30
    address = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                if httpx.get(f"{address}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                assert time.monotonic() < until
                assert process.poll() is None, log.read_text()
                time.sleep(0.05)
        yield process, address, log
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def sqlite_url(migrated_sqlite, tmp_path):
    """The address of a migrated SQLite database without a row: for what is no matter of SQL."""
    shutil.copy(migrated_sqlite, tmp_path / "test.db")
    return f"sqlite:///{tmp_path}/test.db"


@pytest.fixture
def server(sqlite_url, tmp_path):
    """The address of a running service."""
    with running(sqlite_url, tmp_path) as (_, address, _):
        yield address


def test_it_serves_until_it_is_told_to_stop_and_answers_what_it_accepted(empty_url, tmp_path):
    with running(empty_url, tmp_path) as (process, address, log):
        outcomes = [{"prediction_id": str(uuid7()), "outcome": True} for _ in range(10_000)]
        content = json.dumps({"outcomes": outcomes}).encode()
        head = (
            f"POST /outcomes HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n"
        )
        key = "".join(f"{name}: {value}\r\n" for name, value in KEY.items())
        with socket.create_connection(("127.0.0.1", httpx.URL(address).port), timeout=30) as connection:
            connection.sendall(f"{head}{key}expect: 100-continue\r\n\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 100")  # so the request is accepted, and its body awaited

            process.send_signal(signal.SIGTERM)
            connection.sendall(content)
            answer = rest(connection)

        assert process.wait(20) == -signal.SIGTERM  # as uvicorn ends: by the signal, after all is done
        assert answer.startswith("HTTP/1.1 201")
        assert json.loads(answer.rpartition("\r\n\r\n")[2]) == {"recorded": 10_000, "known": 0}
        printed = log.read_text()
        with session_of(empty_url) as session:
            assert session.scalars(select(ApiKey.last_used_at)).one() is not None
        assert address + "/docs" in printed
        assert "secrets of development are in use" in printed
        assert "Finished server process" in printed
        assert "Traceback" not in printed


def test_a_connection_that_rested_for_longer_than_most_clients_keep_theirs_is_answered(server):
    connection = http.client.HTTPConnection(server.removeprefix("http://"), timeout=10)
    for pause in (6, 0):
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        assert (answer.status, answer.read() != b"") == (200, True)
        time.sleep(pause)


FORM = "content-type: application/x-www-form-urlencoded"


def test_a_request_that_does_not_arrive_whole_is_refused_by_the_setting_of_this_service(sqlite_url, tmp_path):
    body = f"POST /token HTTP/1.1\r\nhost: x\r\n{FORM}\r\ncontent-length: 9\r\n\r\nu"
    head = "GET /healthz HTTP/1.1\r\nx"
    with running(sqlite_url, tmp_path, DATA_API_REQUEST_SECONDS="0.5") as (_, address, _):
        port = int(address.rpartition(":")[2])
        for part in (body, head):
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
                connection.sendall(part.encode())
                answer, _, problem = rest(connection).partition("\r\n\r\n")

            assert answer.startswith("HTTP/1.1 408 ")
            assert "(DATA_API_REQUEST_SECONDS)" in json.loads(problem)["detail"]


def test_nobody_says_from_where_a_request_comes_but_the_proxies_that_may(server):
    form, seen = {"username": "admin", "password": "wrong"}, []
    for number in range(11):
        answer = httpx.post(f"{server}/token", data=form, headers={"x-forwarded-for": f"10.0.0.{number}"}, timeout=30)
        seen.append(answer.status_code)

    assert seen == [401] * 10 + [429]


def test_a_port_that_is_taken_is_said_in_a_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, _, told = run_process(DATABASE_URL=f"sqlite:///{tmp_path}/x.db", DATA_API_PORT=port)

    assert status == 1
    assert re.search(
        rf"^error: The service should listen on 127.0.0.1, port {port} \(DATA_API_HOST, DATA_API_PORT\)", told, re.MULTILINE
    )


def test_a_start_without_secrets_of_its_own_ends_with_a_sentence():
    status, _, told = run(ENVIRONMENT="production")

    assert status == 1
    assert told == (
        "error: ENVIRONMENT=production requires secrets of its own: JWT_SECRET is not set, nor FIRST_ADMIN_PASSWORD and "
        "FIRST_SERVICE_KEY, which an empty database requires. `python -m data_api secret` makes one.\n"
    )


def test_a_secret_is_long_enough_and_never_the_same():
    (_, first, _), (_, second, _) = run_process("secret"), run("secret")

    assert first != second
    assert len(first.strip()) >= 32


def test_a_database_is_migrated_without_serving(empty_url):
    for migrate in (run_process, run):
        status, told, _ = migrate("migrate", DATABASE_URL=empty_url)
        assert (status, told.endswith(f"is at revision {head()}\n")) == (0, True)


def test_a_database_that_does_not_answer_is_said_in_a_sentence():
    status, _, told = run("migrate", DATABASE_URL="postgresql://somebody:secret@127.0.0.1:1/x")

    assert status == 1
    assert told.startswith("error: the database does not answer: connection failed")
    assert ":secret@" not in told


@pytest.fixture
def counts(url):
    """Two months with an outcome each; a function that counts those that are left."""
    moments = [datetime(2024, month, 5, tzinfo=UTC) for month in (1, 2)]
    with session_of(url) as session:
        partitions.ensure(session, Outcome, [first_at(moment) for moment in moments])
        session.add_all(Outcome(prediction_id=first_at(when), outcome=True, time=when, received_at=when) for when in moments)

    def count():
        with session_of(url) as session:
            return session.scalar(select(func.count()).select_from(Outcome))

    return count


@contextmanager
def session_of(url):
    """A transaction; no connection stays open, because two engines of one process must not share a file of SQLite."""
    engine = create_engine_for(url)
    with transaction(engine) as session:
        yield session
    engine.dispose()


def test_a_month_is_dropped_for_good_after_asking(url, counts):
    status, _, told = run_process("drop-month", "2024-01", text="no\n", DATABASE_URL=url)
    assert (status, told, counts()) == (1, "Nothing was removed.\n", 2)

    status, told, _ = run("drop-month", "2024-01", text="yes\n", DATABASE_URL=url)
    assert (status, counts()) == (0, 1)
    assert told.endswith("removed 0 predictions, 1 outcomes and 0 events\n")

    status, told, _ = run("drop-month", "2024-02", "--yes", DATABASE_URL=url)
    assert (status, counts()) == (0, 0)


def test_a_month_of_the_first_year_holds_nothing(url, counts):
    status, told, _ = run("drop-month", "0001-01", "--yes", DATABASE_URL=url)

    assert (status, told.endswith("removed 0 predictions, 0 outcomes and 0 events\n"), counts()) == (0, True, 2)
    assert [run("drop-month", month, "--yes", DATABASE_URL=url)[0] for month in ("0000-01", "9999-12", "10000-01")] == [
        2,
        2,
        2,
    ]


def test_a_month_is_not_dropped_where_nobody_can_answer(sqlite_url):
    status, _, told = run("drop-month", "2024-01", DATABASE_URL=sqlite_url)

    assert status == 1
    assert told.endswith("To remove without a question, add --yes.\n")


def test_a_month_of_a_database_that_is_not_there_is_refused_and_makes_none(tmp_path, postgresql_url):
    status, _, told = run("drop-month", "2024-01", "--yes", DATABASE_URL=f"sqlite:///{tmp_path}/none/x.db")
    assert (status, told) == (
        1, f"error: DATABASE_URL should name a database that is there; there is no {tmp_path}/none/x.db.\n",
    )  # fmt: skip
    assert not (tmp_path / "none").exists()

    status, _, told = run("drop-month", "2024-01", "--yes", DATABASE_URL=postgresql_url)
    assert (status, told.startswith(f"error: The database should be at revision {head()}; it is at none.")) == (1, True)


@pytest.mark.parametrize("month", ["2024", "2024-13", f"{datetime.now(UTC):%Y-%m}", "2999-01"])
def test_a_month_that_is_none_or_not_over_is_refused(month):
    status, _, told = run("drop-month", month)

    assert status == 2
    assert "argument month: should be" in told


# Passwords


def test_a_user_gets_another_password_and_earlier_tokens_count_no_more(server, sqlite_url):
    def log_in(password):
        return httpx.post(f"{server}/token", data={"username": "admin", "password": password})

    before = {"authorization": f"Bearer {log_in('development').json()['access_token']}"}
    assert httpx.get(f"{server}/me", headers=before).status_code == 200

    status, told, _ = run("password", "admin", text="another password\nand no more\n", DATABASE_URL=sqlite_url)

    assert status == 0
    assert told.startswith("admin has another password in ")
    assert told.endswith("; earlier tokens are invalid\n")
    assert httpx.get(f"{server}/me", headers=before).status_code == 401
    assert [log_in(password).status_code for password in ("development", "another password")] == [401, 200]


def test_a_password_that_the_service_would_refuse_changes_nothing(sqlite_url):
    status, _, told = run("password", "admin", text="short\n", DATABASE_URL=sqlite_url)

    assert (status, told) == (
        1,
        "error: The password should have 12 to 256 characters; this one has 5. Choose another one.\n",
    )


def test_a_password_that_is_no_text_is_refused_in_a_sentence(sqlite_url):
    done = subprocess.run(
        [sys.executable, "-m", "data_api", "password", "admin"], env=environment(DATABASE_URL=sqlite_url),
        input=b"a long password \xff\n", capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: The password should be text in UTF-8; this one is not.")

    done = subprocess.run(
        [sys.executable, "-m", "data_api"], env=environment(FIRST_ADMIN_PASSWORD=os.fsdecode(b"a long password \xff")),
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert b"FIRST_ADMIN_PASSWORD: should hold text in UTF-8" in done.stderr


def test_a_password_of_nobody_is_refused_with_those_who_are_there(sqlite_url):
    add_user(sqlite_url, "anna")

    status, _, told = run("password", "admin", text="another password\n", DATABASE_URL=sqlite_url)

    assert (status, told) == (1, "error: There should be a user 'admin'; there is anna. Name one of them.\n")


def add_user(url, name):
    with session_of(url) as session:
        users.create(session, name, Role.READER, None, datetime.now(UTC))


@pytest.mark.parametrize(
    ("again", "status", "said"),
    [
        ("another password", 0, "admin has another password in "),
        ("another passport", 1, "error: The password should be the same both times; it was not, and nothing changed."),
    ],
)
def test_at_a_terminal_a_password_is_typed_twice_and_not_shown(sqlite_url, again, status, said):
    add_user(sqlite_url, "admin")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "data_api", "password", "admin"], env=environment(DATABASE_URL=sqlite_url),
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    shown = ""
    for question, answer in (("The new password of admin: ", "another password\n"), ("Again: ", f"{again}\n")):
        shown = shown_until(ours, question, shown)
        os.write(ours, answer.encode())
    shown = shown_until(ours, said, shown)

    assert process.wait(30) == status
    assert "another pass" not in shown.replace(said, "")
    os.close(ours)


def shown_until(terminal, words, shown):
    """What a terminal shows once it shows some words."""
    while words not in shown:
        shown += os.read(terminal, 4096).decode()
    return shown
