"""No part of a password in an address is shown."""

import pytest

from service_kit.addresses import without_credentials


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:secret@host/repo", "https://host/repo"),
        ("dvc://https://user:s3c/ret@host/repo?rev=main", "dvc://https://host/repo?rev=main"),
        ("DVC://HTTPS://user:secret@host", "DVC://HTTPS://host"),
        ("postgresql+psycopg://user:sec@ret@host/name", "postgresql+psycopg://host/name"),  # pragma: allowlist secret
        ("https://token@host", "https://host"),
        ("https://user:http://secret@host", "https://host"),
        ("cannot open 'https://user:sec#ret@host': no route", "cannot open 'https://host': no route"),
        ("http://mlflow:5000 has no models:/ontime@champion", "http://mlflow:5000 has no models:/ontime@champion"),
        ("first https://a:secret@b\nthen http://c:8000/d", "first https://b\nthen http://c:8000/d"),
        ("http://host:8000/path", "http://host:8000/path"),
        ("write to somebody@host", "write to somebody@host"),
    ],
)
def test_everything_before_the_last_at_sign_is_left_out(text, shown):
    assert without_credentials(text) == shown
