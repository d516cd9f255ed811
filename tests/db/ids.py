"""Ids of predictions that were made at a moment of the test's choice."""

import random
from uuid import UUID

from data_api.database.uuid7 import first_at


def id_at(moment):
    """A new UUID of version 7 that was made then."""
    return str(UUID(int=first_at(moment).int | 7 << 76 | 2 << 62 | random.getrandbits(62)))
