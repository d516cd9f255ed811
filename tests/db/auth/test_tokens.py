"""Logging in: by password, not too often, and without telling who exists."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from data_api.auth.login_throttle import LoginThrottle
from data_api.auth.tokens import Tokens
from data_api.crud import users
from data_api.database.engine import transaction
from data_api.errors import DatabaseUnavailable
from data_api.models import User
from service_kit.problems import ProblemError


@pytest.fixture
def log_in(client):
    def send(name="admin", password="development", client=client):
        return client.post("/token", data={"username": name, "password": password})

    return send


def logins(client):
    lines = [line.split() for line in client.get("/metrics").text.splitlines() if line.startswith("data_api_logins_total")]
    return {name.split('"')[1]: float(value) for name, value in lines}


def test_a_password_gives_a_token_for_an_hour(client, log_in):
    answer = log_in()

    assert answer.status_code == 200
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("bearer", 3600)
    assert logins(client) == {"succeeded": 1, "failed": 0, "throttled": 0}


@pytest.mark.usefixtures("strong_passwords")
def test_who_exists_cannot_be_told_from_an_answer_or_its_time(client, log_in):
    def failing(name):
        start = time.perf_counter()
        answer = log_in(name, "wrong")
        return time.perf_counter() - start, answer.status_code, answer.json()

    known, unknown = ([failing(name) for _ in range(3)] for name in ("admin", "nobody"))

    assert {status for _, status, _ in known + unknown} == {401}
    assert known[0][2] == unknown[0][2]
    assert min(seconds for seconds, *_ in unknown) > 0.3 * min(seconds for seconds, *_ in known)
    assert logins(client)["failed"] == 6


@pytest.mark.parametrize("name", ["a\0b", "' OR 1=1 --", "a" * 10_000, "\U0001f600"])
def test_a_name_that_nobody_can_have_is_nobodys(log_in, name):
    assert log_in(name).status_code == 401


def test_a_service_has_no_password(log_in):
    assert log_in("prediction-service", "development").status_code == 401
    assert log_in("prediction-service", "").status_code in {401, 422}


def test_after_too_many_attempts_the_right_password_waits_too(make_client, log_in):
    client = make_client(login_attempts=3)
    answers = [log_in(password="wrong", client=client).status_code for _ in range(3)]

    answer = log_in(client=client)

    assert answers == [401] * 3
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 300
    assert "LOGIN_ATTEMPTS" in answer.json()["detail"]
    assert log_in("another", client=client).status_code == 401
    assert logins(client) == {"succeeded": 0, "failed": 4, "throttled": 1}


def test_whoever_knows_the_password_begins_again(make_client, log_in):
    client = make_client(login_attempts=3)

    for _ in range(3):
        assert [log_in(password=word, client=client).status_code for word in ("wrong", "wrong", "development")] == [
            401,
            401,
            200,
        ]


def test_one_address_may_try_a_limited_number_of_names(make_client, log_in):
    client = make_client(login_attempts=1)
    answers = [log_in(f"name-{number}", client=client).status_code for number in range(11)]

    assert answers == [401] * 10 + [429]


def test_a_name_that_nobody_can_have_is_neither_kept_nor_looked_at(make_client, log_in, monkeypatch):
    client = make_client(login_attempts=1)
    logins = client.app.state.service.logins
    monkeypatch.setattr(client.app.state.service.passwords, "verify", None)

    answers = [log_in(f"{number} {'a' * 10_000}", client=client).status_code for number in range(11)]

    assert answers == [401] * 10 + [429]
    assert all(len(key) < 200 for key in logins._limiter.storage.events)
    assert len(logins._limiter.storage.events) == 1


def test_whoever_is_refused_is_not_remembered(make_client, log_in):
    client = make_client(login_attempts=1)
    kept = client.app.state.service.logins._limiter.storage.events
    for number in range(10):
        log_in(f"name-{number}", client=client)
    before = len(kept)

    assert {log_in(f"other-{number}", client=client).status_code for number in range(10)} == {429}
    assert len(kept) == before


def test_the_right_password_is_never_too_often(make_client, log_in):
    client = make_client(login_attempts=1)
    assert {log_in(client=client).status_code for _ in range(12)} == {200}


def test_guesses_at_once_are_no_more_than_guesses_in_turn():
    logins, gate = LoginThrottle(3), threading.Barrier(3)

    def wrong():
        gate.wait(10)
        return False

    def guess(_):
        try:
            return logins.check("anna", "here", wrong)
        except ProblemError as refusal:
            return refusal.status_code

    with ThreadPoolExecutor(3) as first:
        assert list(first.map(guess, range(3))) == [False] * 3
    assert guess(0) == 429
    looked = []

    def slow():
        looked.append(1)
        time.sleep(0.5)
        return False

    other = LoginThrottle(3)
    with ThreadPoolExecutor(9) as threads:
        list(threads.map(lambda _: _quiet(other, slow), range(9)))
    assert len(looked) == 3


def _quiet(logins, right):
    try:
        logins.check("anna", "here", right)
    except ProblemError:
        return


def test_a_guess_that_could_not_be_looked_at_counts_for_nothing():
    logins = LoginThrottle(1)
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            logins.check("anna", "here", lambda: (_ for _ in ()).throw(DatabaseUnavailable("away")))
    assert logins.check("anna", "here", lambda: True)
    assert not logins._running


def test_a_token_of_a_password_that_changes_meanwhile_counts_no_more(client, log_in, engine, monkeypatch):
    passwords = client.app.state.service.passwords
    verify = passwords.verify

    def changes_meanwhile(kept, password):
        with transaction(engine) as session:
            users.update(session, users.get_by_name(session, "admin"), None, kept, datetime.now(UTC))
        return verify(kept, password)

    monkeypatch.setattr(passwords, "verify", changes_meanwhile)
    token = log_in().json()["access_token"]

    assert client.get("/me", headers={"authorization": f"Bearer {token}"}).status_code == 401


@pytest.mark.parametrize(("ahead", "counts"), [(20, True), (60, False)])
def test_the_clock_of_another_replica_may_be_a_little_ahead(ahead, counts):
    tokens = Tokens("x" * 32, timedelta(hours=1))
    assert (tokens.read(tokens.issue(1, datetime.now(UTC) + timedelta(seconds=ahead))) is not None) is counts


@pytest.mark.usefixtures("strong_passwords")
def test_a_login_holds_no_connection_while_the_password_is_tried(make_client, log_in, monkeypatch):
    client = make_client(database_pool=1)
    service = client.app.state.service
    used, verify = [], service.passwords.verify
    monkeypatch.setattr(
        service.passwords, "verify", lambda *given: used.append(service.engine.pool.checkedout()) or verify(*given)
    )
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("development")
    with transaction(service.engine) as session:
        session.execute(update(User).where(User.name == "admin").values(password_hash=weak))

    assert log_in(client=client).status_code == 200
    with transaction(service.engine, reads=True) as session:
        assert session.scalars(select(User.password_hash).where(User.name == "admin")).one() != weak
    assert used == [0]


@pytest.mark.usefixtures("strong_passwords")
def test_a_login_does_not_fail_where_its_hash_cannot_be_made_anew(client, log_in, engine, monkeypatch):
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("development")
    with transaction(engine) as session:
        session.execute(update(User).where(User.name == "admin").values(password_hash=weak))
    monkeypatch.setattr("data_api.crud.users.replace_hash", lambda *_: 1 / 0)

    assert log_in().status_code == 200


def test_a_body_that_is_no_form_is_told_what_is_wanted(client):
    answer = client.post("/token", json={"username": "admin", "password": "development"})

    assert answer.status_code == 415
    assert "should be application/x-www-form-urlencoded or multipart/form-data" in answer.json()["detail"]


@pytest.mark.usefixtures("strong_passwords")
def test_a_hash_of_weaker_parameters_becomes_stronger_at_the_next_login(log_in, engine):
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("development")
    with transaction(engine) as session:
        session.execute(update(User).where(User.name == "admin").values(password_hash=weak))

    assert log_in().status_code == 200

    with transaction(engine, reads=True) as session:
        kept = session.scalars(select(User.password_hash).where(User.name == "admin")).one()
    assert kept != weak
    assert not PasswordHasher().check_needs_rehash(kept)
    assert log_in().status_code == 200
