"""Users and their API keys, as admins manage them."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from data_api.crud import users
from data_api.database.engine import create_engine_for, transaction
from data_api.database.migrations_runner import upgrade
from data_api.models import ApiKey, Role, User
from service_kit.api_keys import digest
from service_kit.problems import ProblemError

PASSWORD = "a password of this test"


@pytest.fixture
def ask(client, as_admin):
    """A function that asks as an admin, and gives the status and the body."""

    def send(method, path, body=None):
        answer = client.request(method, path, headers=as_admin, **({} if body is None else {"json": body}))
        return answer.status_code, answer.json() if answer.content else None

    return send


def names(ask):
    return [user["name"] for user in ask("GET", "/users")[1]["users"]]


def log_in(client, name, password=PASSWORD):
    return client.post("/token", data={"username": name, "password": password})


def bearer(answer):
    return {"authorization": f"Bearer {answer.json()['access_token']}"}


def test_a_user_is_made_shown_changed_and_removed(client, ask, as_admin):
    answer = client.post("/users", json={"name": "anna", "role": "reader", "password": PASSWORD}, headers=as_admin)
    made = answer.json()
    path = f"/users/{made['user_id']}"

    assert (answer.status_code, answer.headers["location"]) == (201, path)
    assert set(made) == {"user_id", "name", "role", "created"}
    assert ask("GET", path) == (200, made)
    assert names(ask) == ["a-admin", "admin", "anna", "prediction-service"]
    assert ask("PATCH", path, {"role": "admin"}) == (200, {**made, "role": "admin"})
    assert ask("DELETE", path) == (204, None)
    assert ask("GET", path)[0] == 404
    assert ask("DELETE", path)[0] == 404


def test_a_name_is_taken_once(ask):
    assert ask("POST", "/users", {"name": "anna", "role": "reader"})[0] == 201
    status, problem = ask("POST", "/users", {"name": "anna", "role": "admin"})

    assert (status, problem["detail"]) == (
        409, "There is a user 'anna' already; upper and lower case make no other name.",
    )  # fmt: skip
    assert names(ask).count("anna") == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "a b", "role": "reader"}, "name"),
        ({"name": "", "role": "reader"}, "name"),
        ({"name": "a" * 65, "role": "reader"}, "name"),
        ({"name": "anna", "role": "root"}, "role"),
        ({"name": "anna", "role": "reader", "password": "short"}, "password"),
        ({"name": "anna", "role": "reader", "user_id": 1}, "user_id"),
        ({"role": "reader"}, "name"),
    ],
)
def test_what_is_no_user_is_refused_by_field(ask, body, field):
    status, problem = ask("POST", "/users", body)

    assert (status, [fault["field"] for fault in problem["errors"]]) == (422, [field])
    assert "short" not in str(problem)


def test_the_last_admin_stays_one(ask, client, as_admin, engine):
    me = client.get("/me", headers=as_admin).json()
    first = next(user for user in ask("GET", "/users")[1]["users"] if user["name"] == "admin")
    assert ask("DELETE", f"/users/{first['user_id']}")[0] == 204

    for method, body in (("DELETE", None), ("PATCH", {"role": "reader"})):
        status, problem = ask(method, f"/users/{me['user_id']}", body)
        assert (status, problem["detail"]) == (409, "This is the last admin. Make another one first.")
    assert client.get("/me", headers=as_admin).json()["role"] == "admin"


def test_two_admins_who_remove_each_other_at_once_leave_one(postgresql_url):
    engine = create_engine_for(postgresql_url)
    upgrade(engine)
    with transaction(engine) as session:
        made = [users.create(session, name, Role.ADMIN, None, datetime.now(UTC)).user_id for name in ("anna", "berta")]
    both = threading.Barrier(2)

    def remove(user_id):
        with suppress(ProblemError), transaction(engine) as session:
            user = users.get(session, user_id)
            both.wait(10)
            users.delete(session, user)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(remove, made))
    with transaction(engine, reads=True) as session:
        assert len(users.list_admins(session)) == 1
    engine.dispose()


def test_another_password_or_role_ends_the_tokens_of_before(client, ask):
    _, made = ask("POST", "/users", {"name": "anna", "role": "reader", "password": PASSWORD})
    before = bearer(log_in(client, "anna"))
    assert client.get("/me", headers=before).status_code == 200

    ask("PATCH", f"/users/{made['user_id']}", {"password": "another password"})

    assert client.get("/me", headers=before).status_code == 401
    assert log_in(client, "anna").status_code == 401
    after = bearer(log_in(client, "anna", "another password"))
    assert client.get("/me", headers=after).status_code == 200
    ask("PATCH", f"/users/{made['user_id']}", {"role": "admin"})
    assert client.get("/me", headers=after).status_code == 401


@pytest.mark.parametrize("body", [{}, {"role": None}, {"password": None, "role": None}])
def test_a_change_of_nothing_is_refused_and_ends_no_token(client, ask, body):
    _, made = ask("POST", "/users", {"name": "anna", "role": "reader", "password": PASSWORD})
    token = bearer(log_in(client, "anna"))

    assert ask("PATCH", f"/users/{made['user_id']}", body)[0] == 422
    assert client.get("/me", headers=token).status_code == 200


def test_whoever_is_removed_can_do_nothing_more(client, ask):
    _, made = ask("POST", "/users", {"name": "anna", "role": "reader", "password": PASSWORD})
    _, key = ask("POST", "/api-keys", {"user_id": made["user_id"], "name": "laptop"})
    shown = [bearer(log_in(client, "anna")), {"x-api-key": key["key"]}]
    assert [client.get("/predictions", headers=headers).status_code for headers in shown] == [200, 200]

    ask("DELETE", f"/users/{made['user_id']}")

    assert [client.get("/predictions", headers=headers).status_code for headers in shown] == [401, 401]
    assert ask("GET", f"/api-keys/{key['api_key_id']}")[0] == 404


@pytest.mark.parametrize("name", ["Admin", "ADMIN", "aDMIN", "Prediction-Service"])
def test_upper_and_lower_case_make_no_other_user(ask, name):
    status, problem = ask("POST", "/users", {"name": name, "role": "reader"})

    assert (status, problem["detail"]) == (
        409, f"There is a user {name.lower()!r} already; upper and lower case make no other name.",
    )  # fmt: skip


def test_users_whose_names_differ_in_case_can_not_be_made_at_once_either(client, as_admin):
    names = ["Anna", "anna", "ANNA", "aNNa"]
    with ThreadPoolExecutor(4) as threads:
        answers = threads.map(
            lambda name: client.post("/users", json={"name": name, "role": "reader"}, headers=as_admin), names
        )

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


def test_a_password_is_kept_as_a_salted_hash(ask, engine):
    for name in ("anna", "berta"):
        ask("POST", "/users", {"name": name, "role": "reader", "password": PASSWORD})

    with transaction(engine, reads=True) as session:
        kept = session.scalars(select(User.password_hash).where(User.name.in_(["anna", "berta"]))).all()
    assert all(found.startswith("$argon2id$") for found in kept)
    assert len(set(kept)) == 2


def test_a_password_is_hashed_before_a_transaction_begins(make_client, make_caller, monkeypatch):
    client = make_client(database_pool=1)
    service, hashed = client.app.state.service, []
    headers = make_caller("admin", "hashing")
    as_ever = service.passwords.hash

    def hash_beside_the_only_connection(password):
        service.engine.connect().close()  # raises TimeoutError where the request holds it; what refreshes gives it back
        hashed.append(password)
        return as_ever(password)

    monkeypatch.setattr(service.passwords, "hash", hash_beside_the_only_connection)
    made = client.post("/users", json={"name": "anna", "role": "reader", "password": PASSWORD}, headers=headers).json()
    client.patch(f"/users/{made['user_id']}", json={"password": PASSWORD}, headers=headers)

    assert hashed == [PASSWORD, PASSWORD]


def test_only_an_admin_makes_the_service_hash(client, as_service, monkeypatch):
    monkeypatch.setattr(client.app.state.service.passwords, "hash", None)
    body = {"name": "anna", "role": "reader", "password": PASSWORD}

    assert client.post("/users", json=body, headers=as_service).status_code == 403
    assert client.post("/users", json=body, headers={"x-api-key": "x"}).status_code == 401


def test_a_key_is_shown_once_and_kept_as_a_digest(client, ask, engine, as_admin):
    _, owner = ask("POST", "/users", {"name": "web", "role": "reader"})
    answer = client.post("/api-keys", json={"user_id": owner["user_id"], "name": "first"}, headers=as_admin)
    made = answer.json()
    key = made.pop("key")
    path = f"/api-keys/{made['api_key_id']}"

    assert (answer.status_code, answer.headers["location"]) == (201, path)
    assert len(key) > 40
    assert ask("GET", path) == (200, made)
    assert made in ask("GET", "/api-keys")[1]["api_keys"]
    assert ask("GET", f"/api-keys?user_id={owner['user_id']}")[1]["api_keys"] == [made]
    with transaction(engine, reads=True) as session:
        assert session.get(ApiKey, made["api_key_id"]).digest == digest(key)


def test_a_key_opens_until_it_is_revoked_and_never_after(client, ask):
    _, owner = ask("POST", "/users", {"name": "web", "role": "reader"})
    _, made = ask("POST", "/api-keys", {"user_id": owner["user_id"], "name": "first"})
    shown, path = {"x-api-key": made["key"]}, f"/api-keys/{made['api_key_id']}"
    assert client.get("/predictions", headers=shown).status_code == 200

    assert ask("PATCH", path, {"name": "second"})[1]["name"] == "second"
    assert client.get("/predictions", headers=shown).status_code == 200
    assert ask("DELETE", path) == (204, None)

    assert client.get("/predictions", headers=shown).status_code == 401
    revoked = ask("GET", path)[1]["revoked"]
    assert revoked
    assert ask("DELETE", path)[0] == 204
    assert ask("GET", path)[1]["revoked"] == revoked


def test_a_user_has_one_key_of_a_name(ask):
    _, owner = ask("POST", "/users", {"name": "web", "role": "reader"})
    _, made = ask("POST", "/api-keys", {"user_id": owner["user_id"], "name": "first"})
    _, other = ask("POST", "/api-keys", {"user_id": owner["user_id"], "name": "second"})

    assert ask("POST", "/api-keys", {"user_id": owner["user_id"], "name": "first"})[0] == 409
    assert ask("PATCH", f"/api-keys/{other['api_key_id']}", {"name": "first"})[0] == 409
    assert ask("POST", "/api-keys", {"user_id": 1_000_000, "name": "first"})[0] == 404
    assert ask("GET", f"/api-keys/{made['api_key_id']}")[1]["name"] == "first"


def test_the_last_use_of_a_key_is_written_a_moment_later(client, ask):
    _, owner = ask("POST", "/users", {"name": "web", "role": "reader"})
    _, made = ask("POST", "/api-keys", {"user_id": owner["user_id"], "name": "first"})
    path = f"/api-keys/{made['api_key_id']}"
    before = datetime.now(UTC)
    client.get("/predictions", headers={"x-api-key": made["key"]})
    assert ask("GET", path)[1]["last_used"] is None

    client.app.state.service.flush_key_uses()

    assert before <= datetime.fromisoformat(ask("GET", path)[1]["last_used"]) <= datetime.now(UTC)
