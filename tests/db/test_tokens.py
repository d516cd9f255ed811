"""Logging in: by password, not too often, and without telling who exists."""

import time

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from data_api.database import transaction
from data_api.models import User


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
