"""Addresses as messages may show them."""

import re

CREDENTIALS = re.compile(r"((?:[a-z][a-z0-9+.-]*://)+)\S*@", re.IGNORECASE)


def without_credentials(text: str) -> str:
    """The text, whose addresses lose all up to the last ``@``: a password may hold a ``/`` or a ``@`` as it is."""
    return CREDENTIALS.sub(r"\1", text)
