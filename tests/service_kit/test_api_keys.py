"""A key is random, and known by its digest alone."""

import re

from service_kit import api_keys


def test_a_digest_is_the_sha256_of_the_key():
    # pragma: allowlist nextline secret
    assert api_keys.digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_key_that_is_not_utf8_has_a_digest_too():
    assert api_keys.digest("one\udcff") != api_keys.digest("one")


def test_a_new_key_is_known_by_its_prefix_and_is_never_the_same():
    first, second = api_keys.new(), api_keys.new()

    assert re.fullmatch(r"ontime_[A-Za-z0-9_-]{43}", first)
    assert first != second
