"""Clients of the services show neither a key nor a password in what they say of a failure."""

import pytest

from pipeline.clients.services import DataService, PredictionService, ServiceUnavailable
from ports import free_port


@pytest.fixture
def address():
    """An address at which nobody answers, without its scheme."""
    return f"127.0.0.1:{free_port()}"


@pytest.mark.parametrize("key", ["ontime_SECRET\n", "ontime_SECRET\r\nX: y", " ontime_SECRET", "ontime_SECR\u00c9T\u0142"])
def test_a_key_that_no_header_can_carry_is_not_shown(address, key):
    for service, ask in (
        (PredictionService(f"http://{address}", key), lambda client: client.model()),
        (
            DataService(f"http://{address}", key, "admin", "x"),
            lambda client: client.post("/outcomes", {"X-API-Key": key}, json={}),
        ),
    ):
        with pytest.raises(ServiceUnavailable, match="should hold visible characters of ASCII") as caught:
            ask(service)
        assert "SECR" not in str(caught.value)


def test_the_password_of_an_address_is_not_shown(address):
    service = PredictionService(f"http://user:SEC/R@ET@{address}", "")
    with pytest.raises(ServiceUnavailable) as caught:
        service.model()

    assert "SEC" not in str(caught.value)
    assert "ET@" not in str(caught.value)
    assert "SEC" not in service.url
