"""Messages of other libraries fit a sentence and hold no password."""

import pytest

from pipeline.support import errors


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:secret@host/path", "https://host/path"),
        ("https://user:s3c/r@et@host", "https://host"),
        ("no route to postgresql://u:p@h/d and http://k@h", "no route to postgresql://h/d and http://h"),
        ("me@example.org asked //nobody", "me@example.org asked //nobody"),
    ],
)
def test_what_stands_in_an_address_before_its_last_at_is_not_shown(text, shown):
    assert errors.without_password(text) == shown
    assert errors.first_line(ValueError(f"{text}.\nmore")) == shown
