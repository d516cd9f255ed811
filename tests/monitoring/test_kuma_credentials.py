"""Sources of the admin's password and of the tokens, and which of them production refuses."""

import pytest

from kuma_provisioner import settings
from kuma_provisioner.credentials import DEVELOPMENT, defaults_in_use, read
from kuma_provisioner.errors import SettingsInvalid

PASSWORD, TOKEN = "a password of its own", "token-of-its-own-1"
NAMES = ["OUTBOX_HEARTBEAT_TOKEN", "PIPELINE_HEARTBEAT_TOKEN"]
OWN = {"KUMA_ADMIN_PASSWORD": PASSWORD, NAMES[0]: TOKEN, NAMES[1]: TOKEN + "2"}


def test_development_has_defaults_and_lists_them():
    secrets = read(NAMES, {"OUTBOX_HEARTBEAT_TOKEN": ""}, "development")

    assert secrets == {name: DEVELOPMENT[name] for name in ("KUMA_ADMIN_PASSWORD", *NAMES)}
    assert defaults_in_use(secrets) == ["KUMA_ADMIN_PASSWORD", *NAMES]


def test_a_variable_takes_precedence_over_a_file_and_a_file_over_the_default(tmp_path):
    secret_file = tmp_path / "secret"
    secret_file.write_text(f"{TOKEN}\n")
    with_file = {"OUTBOX_HEARTBEAT_TOKEN_FILE": str(secret_file)}

    assert read(NAMES, with_file, "development")[NAMES[0]] == TOKEN
    assert read(NAMES, with_file | {NAMES[0]: "another-token-of-its-own"}, "development")[NAMES[0]].startswith("another")
    assert NAMES[0] not in defaults_in_use(read(NAMES, with_file, "development"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"KUMA_ADMIN_PASSWORD": ""}, "KUMA_ADMIN_PASSWORD is not set, nor is KUMA_ADMIN_PASSWORD_FILE"),
        ({"KUMA_ADMIN_PASSWORD": "ontime-development-1"}, "KUMA_ADMIN_PASSWORD is the default of development"),
        ({"KUMA_ADMIN_PASSWORD": "short-1"}, "KUMA_ADMIN_PASSWORD has 7 characters, and should have 12 or more"),
        ({NAMES[0]: ""}, "OUTBOX_HEARTBEAT_TOKEN is not set"),
        ({NAMES[0]: DEVELOPMENT[NAMES[0]]}, "OUTBOX_HEARTBEAT_TOKEN is the default of development"),
        ({NAMES[0]: "t" * 33}, "OUTBOX_HEARTBEAT_TOKEN should have 16 to 32 letters, digits, - or _; it has 33 characters"),
        ({NAMES[0]: "a/token/with/slashes"}, "OUTBOX_HEARTBEAT_TOKEN should have 16 to 32 letters"),
        ({NAMES[0]: OWN[NAMES[1]]}, "two heartbeats have the same token"),
        ({NAMES[0]: "", f"{NAMES[0]}_FILE": "/none"}, "OUTBOX_HEARTBEAT_TOKEN_FILE names /none, which cannot be read"),
    ],
)  # fmt: skip
def test_production_refuses_secrets_that_are_missing_public_or_weak(changed, message):
    with pytest.raises(SettingsInvalid) as caught:
        read(NAMES, OWN | changed, "production")

    assert message in str(caught.value)
    assert not any(secret in str(caught.value) for secret in (PASSWORD, TOKEN, "short-1", "with/slashes"))


def test_production_accepts_secrets_of_its_own():
    assert read(NAMES, OWN, "production") == OWN
    assert defaults_in_use(OWN) == []


def test_a_heartbeat_without_a_default_needs_its_token_in_development_too():
    with pytest.raises(SettingsInvalid, match="MINE_TOKEN is not set, nor is MINE_TOKEN_FILE"):
        read(["MINE_TOKEN"], {}, "development")


def test_every_invalid_setting_is_named():
    with pytest.raises(SettingsInvalid, match=r"KUMA_URL: .*; KUMA_PRUNE: .*; KUMA_WAIT_SECONDS: "):
        settings.read(kuma_url="kuma", kuma_prune="perhaps", kuma_wait_seconds=-1)
