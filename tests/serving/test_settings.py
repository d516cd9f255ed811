"""Every setting comes from the environment, and a faulty one is named by its variable."""

import os
import re

import pytest

from prediction_api import settings
from prediction_api.settings import Settings
from service_kit.errors import SettingsInvalid

GIVEN = {
    "prediction_api_host": ("0.0.0.0", "0.0.0.0"),
    "prediction_api_port": ("9000", "9000"),
    "model_uri": ("models:/ontime@champion", "models:/ontime@champion"),
    "model_fallback": ("data/model", "data/model"),
    "model_poll_seconds": ("0", "0.0"),
    "model_fetch_seconds": ("12.5", "12.5"),
    "git_commit": ("c0ffee", "c0ffee"),
    "outbox_dir": ("/var/outbox", "/var/outbox"),
    "outbox_shared": ("true", "True"),
    "outbox_sync": ("full", "full"),
    "outbox_max_bytes": ("1000000", "1000000"),
    "data_api_url": ("http://data:8001", "http://data:8001/"),
    "data_api_key": ("a-secret", "**********"),
    "api_keys": ("web:" + "0" * 64, "web:" + "0" * 64),
    "admin_keys": ("boss:" + "1" * 64, "boss:" + "1" * 64),
    "heartbeat_url": ("http://kuma:3001/api/push/token?status=up&msg=OK", "**********"),
    "max_records": ("5", "5"),
    "max_body_bytes": ("1000", "1000"),
    "max_concurrency": ("1", "1"),
    "request_seconds": ("0.5", "0.5"),
    "keep_alive_seconds": ("5", "5"),
    "shutdown_seconds": ("1", "1.0"),
    "cors_origins": ("https://a.example,https://b.example", "https://a.example,https://b.example"),
    "forwarded_allow_ips": ("10.0.0.0/8", "10.0.0.0/8"),
    "root_path": ("/team/ontime", "/team/ontime"),
    "log_level": ("DEBUG", "DEBUG"),
    "access_log": ("false", "False"),
}
FAULTY = {
    "PREDICTION_API_PORT": "65536",
    "MODEL_POLL_SECONDS": "-1",
    "MODEL_FETCH_SECONDS": "0",
    "OUTBOX_SHARED": "perhaps",
    "OUTBOX_SYNC": "sometimes",
    "OUTBOX_MAX_BYTES": "999999",
    "DATA_API_URL": "data:8001",
    "HEARTBEAT_URL": "/api/push/token",
    "MAX_RECORDS": "0",
    "MAX_BODY_BYTES": "999",
    "MAX_CONCURRENCY": "none",
    "REQUEST_SECONDS": "nan",
    "KEEP_ALIVE_SECONDS": "0",
    "SHUTDOWN_SECONDS": "86401",
    "ROOT_PATH": "team/",
    "LOG_LEVEL": "LOUD",
    "ACCESS_LOG": "perhaps",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """An environment without any setting, to which a test adds its own."""
    for name in (*Settings.model_fields, "secrets_dir"):
        for one in (name, name.upper()):
            monkeypatch.delenv(one, raising=False)
    return monkeypatch


def test_every_setting_is_tried_here():
    assert set(GIVEN) == set(Settings.model_fields)


@pytest.mark.parametrize("name", GIVEN)
def test_each_setting_is_an_environment_variable_of_its_name_in_capitals(environment, name):
    text, value = GIVEN[name]
    environment.setenv(name.upper(), text)

    assert str(getattr(settings.read(), name)) == value
    assert str(Settings.model_fields[name].default) != value


def test_a_secret_is_read_whole_and_shown_nowhere(environment):
    environment.setenv("DATA_API_KEY", "a-secret")
    environment.setenv("HEARTBEAT_URL", "http://kuma:3001/api/push/a-secret?status=up&msg=OK&ping=")

    read = settings.read()

    assert read.data_api_key.get_secret_value() == "a-secret"
    assert str(read.heartbeat_url.get_secret_value()) == "http://kuma:3001/api/push/a-secret?status=up&msg=OK&ping="
    assert "a-secret" not in repr(read)


@pytest.mark.parametrize("name", GIVEN)
def test_an_empty_variable_counts_as_not_set(environment, name):
    environment.setenv(name.upper(), "")

    assert getattr(settings.read(), name) == Settings.model_fields[name].default


@pytest.mark.parametrize("name", FAULTY)
def test_a_faulty_setting_is_named_by_its_variable(environment, name):
    environment.setenv(name, FAULTY[name])

    with pytest.raises(SettingsInvalid, match=rf"cannot use\. {name}: ([a-z]|URL).*\.$") as caught:
        settings.read()

    assert caught.value.__cause__ is not None


def test_all_faulty_settings_are_named_at_once_and_no_good_one(environment):
    for name, text in FAULTY.items():
        environment.setenv(name, text)
    environment.setenv("MODEL_URI", "somewhere")

    with pytest.raises(SettingsInvalid) as caught:
        settings.read()

    assert re.findall(r"([A-Z_]{6,}): ", str(caught.value)) == [
        name.upper() for name in Settings.model_fields if name.upper() in FAULTY
    ]
    assert "\n" not in str(caught.value)


def test_a_faulty_url_with_a_password_is_refused_without_showing_it(environment):
    environment.setenv("DATA_API_URL", "postgres://me:hidden-word@data/db")  # pragma: allowlist secret

    with pytest.raises(SettingsInvalid, match="DATA_API_URL: ") as caught:
        settings.read()

    assert "hidden-word" not in str(caught.value)


def test_an_unknown_variable_of_the_environment_is_nobodys_fault(environment):
    environment.setenv("PREDICTION_API_COLOUR", "blue")

    assert settings.read() == Settings()


def test_a_setting_given_in_code_that_does_not_exist_is_refused_by_name():
    with pytest.raises(SettingsInvalid, match="COLOUR: extra inputs are not permitted"):
        settings.read(colour="blue")


def test_settings_cannot_be_changed_once_they_are_read():
    with pytest.raises(ValueError, match="frozen"):
        settings.read().max_records = 3


def test_reading_the_settings_changes_no_environment():
    before = dict(os.environ)

    settings.read()

    assert dict(os.environ) == before


@pytest.fixture
def secret(environment, tmp_path):
    """A function that puts a secret into a file of the folder that SECRETS_DIR names, and gives the file."""
    environment.setenv("SECRETS_DIR", str(tmp_path))

    def put(name, text):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return put


@pytest.mark.parametrize("name", GIVEN)
def test_each_setting_may_be_a_file_of_its_name(secret, name):
    text, value = GIVEN[name]
    secret(name, f"{text}\n")

    assert str(getattr(settings.read(), name)) == value


def test_a_secret_in_a_file_is_read_without_the_end_of_its_line(secret):
    secret("data_api_key", "a-secret\r\n")

    assert settings.read().data_api_key.get_secret_value() == "a-secret"


def test_the_environment_wins_over_a_file_unless_it_is_empty(environment, secret):
    secret("data_api_key", "of-the-file")
    secret("data_api_url", "\n")
    for given, read in (("of-the-environment",) * 2, ("", "of-the-file")):
        environment.setenv("DATA_API_KEY", given)
        assert settings.read().data_api_key.get_secret_value() == read

    assert settings.read().data_api_url is None


def test_a_folder_of_secrets_that_is_not_there_is_nobodys_fault(environment, tmp_path, recwarn):
    environment.setenv("SECRETS_DIR", str(tmp_path / "nowhere"))

    assert settings.read() == Settings()
    assert recwarn.list == []


def test_a_secret_that_cannot_be_read_is_named_by_its_file(environment, tmp_path):
    environment.setenv("SECRETS_DIR", str(tmp_path))
    (tmp_path / "data_api_key").mkdir()

    with pytest.raises(SettingsInvalid, match=rf"SECRETS_DIR={tmp_path} should hold each secret as a file of text; .+\.$"):
        settings.read()


def test_a_faulty_secret_in_a_file_is_shown_nowhere(secret):
    secret("data_api_url", "postgres://me:hidden-word@data/db")  # pragma: allowlist secret

    with pytest.raises(SettingsInvalid, match="DATA_API_URL: ") as caught:
        settings.read()

    assert "hidden-word" not in f"{caught.value}{caught.value.__cause__!r}"
