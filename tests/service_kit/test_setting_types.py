"""Settings that would mean something else than they seem to are refused, and no secret is shown."""

import os
from typing import get_args

import pytest
from pydantic import AfterValidator, TypeAdapter, ValidationError

from board.settings import Settings as BoardSettings
from data_api.settings import Settings as DataSettings
from prediction_api.settings import Settings as PredictionSettings
from service_kit import setting_types
from service_kit.errors import SettingsInvalid
from service_kit.setting_types import HeaderSecret, Origins, Proxies, RootPath, SecretText
from service_kit.settings import read_settings

CONTROL = ["ends in a line\n", "\ttab", "a\0b", "a\x7fb", "a\x85b", os.fsdecode(b"no UTF-8 \xff")]
NOT_IN_A_HEADER = [*CONTROL, "ends in a space ", " begins with one", "a b", "\u00fcmlaut", "\u00a0", "\U0001f600"]
SERVICES = (DataSettings, PredictionSettings, BoardSettings)


def validators(field):
    return {part.func for part in field.metadata if isinstance(part, AfterValidator)} | {
        part.func
        for argument in get_args(field.annotation)
        for part in getattr(argument, "__metadata__", ())
        if isinstance(part, AfterValidator)
    }


def secrets_of(settings):
    return [name for name, field in settings.model_fields.items() if "SecretStr" in str(field.annotation)]


@pytest.mark.parametrize("text", NOT_IN_A_HEADER)
@pytest.mark.parametrize(("settings", "name"), [(DataSettings, "first_service_key"), (PredictionSettings, "data_api_key")])
@pytest.mark.parametrize("as_file", [False, True], ids=["variable", "file"])
def test_a_key_that_no_header_can_carry_is_refused_by_the_name_of_its_setting(
    monkeypatch, tmp_path, settings, name, text, as_file
):
    key = f"ontime_SECRET{text}ontime_SECRET"
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    monkeypatch.delenv(name.upper(), raising=False)
    if as_file:
        (tmp_path / name).write_bytes(os.fsencode(key))
    elif "\0" in text:
        return  # no variable can hold it
    else:
        monkeypatch.setenv(name.upper(), key)

    with pytest.raises(SettingsInvalid) as caught:
        read_settings(settings)

    assert f"{name.upper()}: should hold what a header can carry" in str(caught.value)
    assert "SECRET" not in str(caught.value).replace("SECRETS_DIR", "")


@pytest.mark.parametrize("text", CONTROL)
def test_other_secrets_hold_text_on_one_line(text):
    for kind in (SecretText, HeaderSecret):
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python(f"x{text}x")
    assert TypeAdapter(SecretText).validate_python(" \u00fc \U0001f600 ").get_secret_value() == " \u00fc \U0001f600 "


def test_every_secret_of_both_services_is_checked():
    for settings in SERVICES:
        for name in secrets_of(settings):
            checks = [getattr(check, "func", None) for check in validators(settings.model_fields[name])]
            assert setting_types._refuse in checks, f"{settings.__module__}: {name}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("*", "* would let every caller in it choose"),
        ("0.0.0.0/0", "0.0.0.0/0 would let every caller in it choose"),
        ("10.0.0.1,::/0", "::/0 would let every caller in it choose"),
        ("0.0.0.0/1,128.0.0.0/1", "0.0.0.0/1 would let every caller in it choose"),
        ("10.0.0.1,10.0.0.0/7", "10.0.0.0/7 would let every caller in it choose"),
        ("2000::/15", "2000::/15 would let every caller in it choose"),
        ("fc00::/7", "fc00::/7 would let every caller in it choose"),
        ("nonsense", "'nonsense' is neither"),
        ("10.0.0.0/33", "'10.0.0.0/33' is neither"),
        ("10.0.0.1/8", "'10.0.0.1/8' is neither"),
        ("10.0.0.1;10.0.0.2", "is neither"),
        ("localhost", "'localhost' is neither"),
    ],
)
@pytest.mark.parametrize("settings", SERVICES)
def test_proxies_that_would_be_trusted_by_mistake_are_refused_by_name(settings, text, reason):
    with pytest.raises(SettingsInvalid, match="FORWARDED_ALLOW_IPS: should") as caught:
        read_settings(settings, forwarded_allow_ips=text)
    assert reason in str(caught.value)


@pytest.mark.parametrize("text", ["", "127.0.0.1", "10.0.0.0/8, ::1", "2001::/16", "fd00::/8"])
def test_addresses_and_networks_of_proxies_are_taken(text):
    assert TypeAdapter(Proxies).validate_python(text) == text


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("https://app.example/", "write https://app.example"),
        ("https://App.Example", "write https://app.example"),
        ("https://app.example:443", "write https://app.example"),
        ("https://app.example/page", "write https://app.example"),
        ("https://b\u00fccher.example", "write https://xn--bcher-kva.example"),
        ("http://localhost:3000,app.example", "'app.example' is none: write it as https://app.example"),
    ],
)
def test_an_origin_that_no_browser_sends_is_refused_with_the_one_that_it_sends(text, cure):
    with pytest.raises(SettingsInvalid, match="CORS_ORIGINS: should hold origins as browsers send them") as caught:
        read_settings(PredictionSettings, cors_origins=text)
    assert cure in str(caught.value)


@pytest.mark.parametrize("text", ["https://*.example", "https://app.example, http://localhost:*"])
def test_an_origin_with_a_star_which_no_browser_sends_is_refused_with_the_cure(text):
    with pytest.raises(SettingsInvalid, match=r"CORS_ORIGINS: should hold.*write each origin in full, or \* alone"):
        read_settings(PredictionSettings, cors_origins=text)


@pytest.mark.parametrize("text", ["/..", "/.", "/a/../b", "/a/./b", "/a/", "//a", "a", "/a?b"])
@pytest.mark.parametrize("settings", SERVICES)
def test_a_path_prefix_that_clients_would_resolve_to_another_is_refused(settings, text):
    with pytest.raises(SettingsInvalid, match="ROOT_PATH: should be a path such as /ontime"):
        read_settings(settings, root_path=text)


@pytest.mark.parametrize("text", ["", "/ontime", "/a/b.c/~d", "/.hidden"])
def test_a_path_prefix_is_taken(text):
    assert TypeAdapter(RootPath).validate_python(text) == text


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (PredictionSettings, "heartbeat_url"),
        (PredictionSettings, "data_api_url"),
        (DataSettings, "data_api_heartbeat_url"),
        (BoardSettings, "prediction_api_url"),
        (BoardSettings, "board_heartbeat_url"),
    ],
)
@pytest.mark.parametrize("text", ["http://a/SECRET\nb", "http://a/SECRET\n", " http://a/SECRET", "http://a/SEC\tRET"])
def test_an_address_of_more_than_one_line_is_refused_rather_than_joined(monkeypatch, settings, name, text):
    monkeypatch.setenv(name.upper(), text)
    with pytest.raises(SettingsInvalid, match=f"{name.upper()}: should be an address on one line") as caught:
        read_settings(settings)
    assert "SEC" not in str(caught.value)


@pytest.mark.parametrize("text", ["http://a/?k=v", "http://a/#x", "http://a?"])
@pytest.mark.parametrize(
    ("settings", "name"),
    [(PredictionSettings, "data_api_url"), (BoardSettings, "data_api_url"), (BoardSettings, "prediction_api_url")],
)
def test_an_address_of_a_service_has_no_query_to_which_a_path_would_be_added(settings, name, text):
    with pytest.raises(SettingsInvalid, match=rf"{name.upper()}: should be the address of a service, without \? and #"):
        read_settings(settings, **{name: text})
    assert read_settings(PredictionSettings, heartbeat_url="http://a/api/push/token?status=up").heartbeat_url


@pytest.mark.parametrize("text", ["", "*", "https://app.example, http://localhost:3000", "capacitor://localhost"])
def test_origins_as_browsers_send_them_are_taken(text):
    assert TypeAdapter(Origins).validate_python(text) == text


@pytest.mark.parametrize(
    ("content", "password"),
    [(" a word ", " a word "), (" a word \n", " a word "), (" a word \r\n", " a word "), ("\n", None), ("", None)],
)
def test_a_file_of_a_secret_loses_one_line_break_and_nothing_else(monkeypatch, tmp_path, content, password):
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    monkeypatch.delenv("DATABASE_PASSWORD", raising=False)
    (tmp_path / "database_password").write_bytes(content.encode())

    secret = read_settings(DataSettings).database_password
    assert (secret and secret.get_secret_value()) == password


def test_a_file_of_a_secret_with_more_than_one_line_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    monkeypatch.delenv("DATABASE_PASSWORD", raising=False)
    (tmp_path / "database_password").write_text("secret\n\n")

    with pytest.raises(SettingsInvalid, match="DATABASE_PASSWORD: should hold text in UTF-8 without line breaks"):
        read_settings(DataSettings)
