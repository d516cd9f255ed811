"""Kinds of fields that several schemas share. PostgreSQL keeps no NUL in a text, so that none is taken."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from data_api.ids import time_of

AHEAD = timedelta(hours=1)  # that the clock of a caller may be before ours
FIRST = datetime(2020, 1, 1, tzinfo=UTC)
NO_NUL = "^[^\\x00]*$"
NAME = r"^[A-Za-z0-9_.@-]+$"


def now() -> datetime:
    """The moment that it is, in UTC."""
    return datetime.now(UTC)


def _in_our_time(found: datetime) -> datetime:
    if not FIRST <= found <= now() + AHEAD:
        raise ValueError(f"should be a moment from {FIRST:%Y-%m-%d} to {AHEAD.seconds // 3600} hour from now; it is {found}")
    return found.astimezone(UTC)


def _of_our_time(found: UUID) -> UUID:
    if found.version != 7:
        raise ValueError(f"should be a UUID of version 7; it is of version {found.version}")
    if not FIRST <= (made := time_of(found)) <= now() + AHEAD:
        raise ValueError(f"should be made from {FIRST:%Y-%m-%d} to {AHEAD.seconds // 3600} hour from now; it says {made}")
    return found


Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NO_NUL)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NAME)]
Share = Annotated[float, Field(ge=0, le=1)]
Moment = Annotated[AwareDatetime, AfterValidator(_in_our_time)]
Id = Annotated[
    UUID, AfterValidator(_of_our_time), Field(description="UUID of version 7 (RFC 9562), made when it was predicted")
]
