"""Commands find the services at the addresses that are set, and read the keys from the containers' secrets."""

import pytest

from pipeline.clients import services
from pipeline.clients.environment import SecretMissing, setting


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        ({}, "http://default"),
        ({"DATA_API_PORT": "", "DATA_API_URL": ""}, "http://default"),
        ({"DATA_API_PORT": "9001"}, "http://127.0.0.1:9001"),
        ({"DATA_API_PORT": "9001", "DATA_API_URL": "http://data"}, "http://data"),
    ],
    ids=str,
)
def test_an_address_is_what_was_set_else_the_port_of_this_machine(environment, address):
    assert setting("DATA_API_URL", "http://default", environment) == address


@pytest.mark.parametrize(
    ("name", "file"), [("DATA_API_KEY", "service_key"), ("FIRST_ADMIN_PASSWORD", "first_admin_password")]
)
def test_a_secret_is_what_was_set_else_the_first_line_of_the_file_of_the_containers(tmp_path, name, file):
    (tmp_path / file).write_text("a $(secret) of # 'ours'\nand a remark\n")

    assert setting(name, "default", {}) == "default"
    assert setting(name, "default", {"SECRETS": str(tmp_path)}) == "a $(secret) of # 'ours'"
    assert setting(name, "default", {"SECRETS": str(tmp_path), name: "typed"}) == "typed"


def test_a_folder_without_the_secret_is_a_sentence(tmp_path):
    with pytest.raises(
        SecretMissing, match=r"SECRETS=.* should hold service_key; there is none\. Type `make secrets` first"
    ):
        services.from_environment({"SECRETS": str(tmp_path)})


def test_both_services_are_asked_by_their_ports():
    prediction, store = services.from_environment({"PREDICTION_API_PORT": "1", "DATA_API_PORT": "2"})

    assert (prediction.url, store.url) == ("http://127.0.0.1:1", "http://127.0.0.1:2")
