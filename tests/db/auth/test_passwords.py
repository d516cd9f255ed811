"""A password may hold any character, and counts as the same in every way in which keyboards encode it."""

import time
import unicodedata

import pytest
from argon2 import PasswordHasher

from data_api.auth.passwords import Passwords
from data_api.crud import users
from data_api.database.engine import transaction

TYPED = "Zürich-Ångström ﬁn"
FORMS = ("NFC", "NFD", "NFKC", "NFKD")


@pytest.mark.parametrize("form", FORMS)
def test_a_password_counts_however_a_keyboard_writes_its_letters(form):
    passwords = Passwords()
    stored = passwords.hash(unicodedata.normalize(form, TYPED))

    assert all(passwords.verify(stored, unicodedata.normalize(other, TYPED)) for other in FORMS)
    assert not passwords.verify(stored, TYPED.lower())


@pytest.mark.parametrize("form", FORMS)
def test_a_hash_from_before_passwords_were_normalized_still_counts_for_what_was_typed(form):
    typed = unicodedata.normalize(form, TYPED)
    stored = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(typed)

    assert Passwords().verify(stored, typed)


@pytest.mark.parametrize("password", [r"\ud800aaaaaaaaaaaaaaa", r"aaaaaaaaaaaa\udfff"])
def test_a_password_that_is_no_text_is_refused_by_name(client, as_admin, password):
    content = f'{{"name": "anna", "role": "reader", "password": "{password}"}}'
    answer = client.post("/users", content=content, headers={"content-type": "application/json", **as_admin})

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "password", "wanted": "should be text in UTF-8", "got": "a secret, which is not shown"}
    ]


@pytest.mark.parametrize(
    "content", [b"username=admin&password=%ed%a0%80", b"username=%ff&password=%ff", b"username=a&password=\xff"]
)
def test_a_login_with_bytes_that_are_no_text_is_nobodys(client, content):
    answer = client.post("/token", content=content, headers={"content-type": "application/x-www-form-urlencoded"})

    assert answer.status_code in {400, 401}


def test_a_hash_is_not_lost_where_the_form_of_the_password_is_another(client, engine):
    with transaction(engine) as session:
        admin = users.get_by_name(session, "admin")
        weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(unicodedata.normalize("NFD", TYPED))
        users.update(session, admin, None, weak, admin.created_at)

    form = {"username": "admin", "password": unicodedata.normalize("NFD", TYPED)}
    assert client.post("/token", data=form).status_code == 200


def test_a_long_password_takes_no_time_to_normalize(client):
    start = time.process_time()
    form = {"username": "admin", "password": "a" + "\u0301\u0323" * 20_000}
    assert client.post("/token", data=form).status_code in {401, 413}
    assert time.process_time() - start < 1.5


def test_a_password_that_is_too_long_to_normalize_counts_as_it_is():
    passwords, typed = Passwords(), "\u00e9" * 2000
    assert passwords.verify(passwords.hash(typed), typed)
