"""Kinds of fields that several schemas share. PostgreSQL keeps no NUL in a text, so that none is taken."""

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, Strict, StringConstraints

from data_api.database.uuid7 import is_version_7, milliseconds_of

AHEAD = timedelta(hours=1)  # that the clock of a caller may be before ours
FIRST = datetime(2020, 1, 1, tzinfo=UTC)
FIRST_MILLISECONDS, AHEAD_MILLISECONDS = FIRST.timestamp() * 1000, AHEAD.total_seconds() * 1000
NO_NUL = "^[^\\x00]*$"
ISO = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:")
NAME, LONGEST_NAME = r"^[A-Za-z0-9_.@-]+$", 64


def now() -> datetime:
    """The moment that it is, in UTC."""
    return datetime.now(UTC)


def _iso(found: object) -> object:
    """Refuses numbers, which Pydantic would take for seconds since 1970, also in a text."""
    if isinstance(found, datetime) or (isinstance(found, str) and ISO.match(found)):
        return found
    raise ValueError("should be a moment in ISO 8601 with a time zone, such as 2026-11-24T08:00:00Z")


def _in_utc(found: datetime) -> datetime:
    try:
        return found.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("should be a moment from the year 1 to 9999 in UTC") from error


def _in_our_time(found: datetime) -> datetime:
    _check(found.timestamp() * 1000, found)
    return found


def _of_our_time(found: UUID) -> UUID:
    if not is_version_7(found):
        raise ValueError("should be a UUID of version 7 (RFC 9562)")
    _check(milliseconds_of(found), found)
    return found


def _check(milliseconds: float, found: object) -> None:
    if not FIRST_MILLISECONDS <= milliseconds <= time.time() * 1000 + AHEAD_MILLISECONDS:
        raise ValueError(f"should be of a moment from {FIRST:%Y-%m-%d} to an hour from now; {found} is not")


Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NO_NUL)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME, pattern=NAME)]
Share = Annotated[float, Strict(), Field(ge=0, le=1)]
IsoDatetime = Annotated[AwareDatetime, BeforeValidator(_iso)]
Instant = Annotated[IsoDatetime, AfterValidator(_in_utc)]
Moment = Annotated[IsoDatetime, AfterValidator(_in_our_time)]
Id = Annotated[
    UUID, AfterValidator(_of_our_time), Field(description="UUID of version 7 (RFC 9562), made when it was predicted")
]
