"""The routes of the prediction service over HTTP."""

import pytest


@pytest.fixture
def client(client_of):
    """A client of an app with the settings of a test."""
    return client_of()
