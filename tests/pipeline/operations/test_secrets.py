"""Secrets are written once, and .env names their folder; test_compose_file.py holds them to the containers."""

import sys
from pathlib import Path

import pytest

from pipeline.operations import secrets
from pipeline.operations.secrets import OtherSecretsNamed


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["secrets"])


def written():
    return {path.name: path.read_text() for path in Path(".secrets/own").iterdir()}


def test_what_was_removed_or_is_empty_is_renewed_with_the_url_that_ends_in_it():
    secrets.main()
    before = written()
    Path(".secrets/own/jwt_secret").unlink()
    Path(".secrets/own/pipeline_heartbeat_token").write_text("")

    secrets.main()

    after = written()
    assert {name for name in before if before[name] != after[name]} == {
        "jwt_secret",
        "pipeline_heartbeat_token",
        "pipeline_heartbeat_url",
    }
    assert after["pipeline_heartbeat_url"] == f"http://uptime-kuma:3001/api/push/{after['pipeline_heartbeat_token']}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "SECRETS=.secrets/own\n"),
        ("", "SECRETS=.secrets/own\n"),
        ("A=1", "A=1\nSECRETS=.secrets/own\n"),
        ("A=1\n# SECRETS=x\n", "A=1\n# SECRETS=x\nSECRETS=.secrets/own\n"),
        ("SECRETS=.secrets/own\nA=1\n", "SECRETS=.secrets/own\nA=1\n"),
    ],
)
def test_env_names_the_folder_once(before, after):
    if before is not None:
        Path(".env").write_text(before)

    secrets.main()

    assert Path(".env").read_text() == after


def test_another_folder_in_env_stays_and_is_a_sentence():
    Path(".env").write_text("SECRETS=elsewhere\n")

    with pytest.raises(OtherSecretsNamed, match=r"\.env should say SECRETS=\.secrets/own; it says SECRETS=elsewhere"):
        secrets.main()

    assert Path(".env").read_text() == "SECRETS=elsewhere\n"
