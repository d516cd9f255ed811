"""A key is known by its digest alone."""

import hashlib

import pytest

from prediction_api import settings
from prediction_api.app import create_app
from service_kit import api_keys
from service_kit.caller_keys import ApiKeys
from service_kit.errors import SettingsInvalid


def test_a_key_names_its_caller_and_any_other_text_nobody():
    known = ApiKeys(f"ci:{api_keys.digest('one')},web:{api_keys.digest('two')}", "API_KEYS")

    assert [known.caller(key) for key in ("one", "two", "One", "three", "", None)] == ["ci", "web", None, None, None, None]


def test_a_digest_is_no_key():
    assert ApiKeys(f"ci:{api_keys.digest('one')}", "API_KEYS").caller(api_keys.digest("one")) is None


def test_a_key_that_is_not_utf8_belongs_to_nobody():
    assert ApiKeys(f"ci:{api_keys.digest('one')}", "API_KEYS").caller("one\udcff") is None


def test_one_caller_may_have_two_keys_while_they_are_exchanged():
    known = ApiKeys(f"ci:{api_keys.digest('old')},ci:{api_keys.digest('new')}", "API_KEYS")

    assert (known.caller("old"), known.caller("new")) == ("ci", "ci")


def test_without_text_there_are_no_keys():
    assert not ApiKeys("", "API_KEYS")


@pytest.mark.parametrize("setting", ["API_KEYS", "ADMIN_KEYS"])
@pytest.mark.parametrize("text", [" ", ",", " , ", "\n"])
def test_text_without_a_pair_keeps_the_service_from_starting_open_to_everybody(setting, text):
    with pytest.raises(SettingsInvalid, match=f"^{setting} should hold name:sha256 pairs.*it is set and holds none"):
        create_app(settings.read(**{setting.lower(): text}))


def test_spaces_and_empty_places_around_pairs_are_passed_over():
    known = ApiKeys(f" ci:{api_keys.digest('one')} ,\n web:{api_keys.digest('two')},", "API_KEYS")

    assert known
    assert known.caller("two") == "web"


@pytest.mark.parametrize(
    "entry", ["secret", "ci:secret", f"ci:{'A' * 64}", f"ci:{'0' * 63}", f"ci:{'0' * 65}", f":{'0' * 64}", f"a b:{'0' * 64}"]
)
def test_what_is_no_pair_is_refused_by_its_number_without_showing_it(entry):
    with pytest.raises(
        SettingsInvalid, match="API_KEYS should hold name:sha256 pairs, divided by commas; pair 2 is none"
    ) as found:
        ApiKeys(f"web:{api_keys.digest('one')},{entry}", "API_KEYS")

    assert entry not in str(found.value)
    assert "secret" not in str(found.value)


def test_no_key_is_nobody_even_where_the_digest_of_the_empty_text_is_listed():
    empty = hashlib.sha256(b"").hexdigest()

    assert ApiKeys(f"ci:{empty}", "API_KEYS").caller(None) is None
