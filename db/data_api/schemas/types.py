"""Types of fields that several schemas share. PostgreSQL cannot store NUL in a text, so it is refused."""

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, Strict, StringConstraints

from data_api.database.uuid7 import EPOCH, is_version_7, milliseconds_of

AHEAD = timedelta(hours=1)  # by which the clock of a caller may be ahead of ours
FIRST = datetime(2020, 1, 1, tzinfo=UTC)
FIRST_MILLISECONDS, AHEAD_MILLISECONDS = FIRST.timestamp() * 1000, AHEAD.total_seconds() * 1000
MAX_ROWS = 10_000  # of a bulk request
NO_NUL = "^[^\\x00]*$"
ISO = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:")
PLUS_AS_BLANK = re.compile(r".*:\d\d(\.\d+)? \d\d(:?\d\d)?")
DIGITS = re.compile("[1-9][0-9]*|0")
NAME, LONGEST_NAME = r"^[A-Za-z0-9_.@-]+$", 64


class Input(BaseModel):
    """What a request holds; an unknown field is refused by name."""

    model_config = ConfigDict(extra="forbid")


class Stored(BaseModel):
    """What an answer shows of a row of a table."""

    model_config = ConfigDict(from_attributes=True)


def now() -> datetime:
    """The present time in UTC."""
    return datetime.now(UTC)


def iso(value: object) -> object:
    """Refuses numbers, even in a text, which Pydantic would read as seconds since 1970."""
    if isinstance(value, str) and PLUS_AS_BLANK.fullmatch(value):
        raise ValueError("should have no blank before its offset: in an address a + stands for a blank, so write %2B or Z")
    if isinstance(value, datetime) or (isinstance(value, str) and ISO.match(value)):
        return value
    raise ValueError("should be a moment in ISO 8601 with a time zone, such as 2026-11-24T08:00:00Z")


def _number(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError("should be a whole number")
    return value


def _digits(value: object) -> object:
    """Refuses what Pydantic would read as a number too, such as 1_0 or +1: a row has one address."""
    if isinstance(value, str) and not DIGITS.fullmatch(value):
        raise ValueError("should be a whole number")
    return value


def in_utc(moment: datetime) -> datetime:
    """The moment in UTC; raises ValueError outside the years that a datetime can have."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("should be a moment from the year 1 to 9999 in UTC") from error


def _recent_moment(moment: datetime) -> datetime:
    _check_recent(moment.timestamp() * 1000, moment)
    return moment


def not_ahead(moment: datetime) -> datetime:
    """The moment; raises ValueError if it is before 1970, or more than an hour from now."""
    if not EPOCH <= moment <= now() + AHEAD:
        raise ValueError(f"should be a moment from 1970 to an hour from now; {moment} is not")
    return moment


def _id(uuid: UUID) -> UUID:
    if not is_version_7(uuid):
        raise ValueError("should be a UUID of version 7 (RFC 9562)")
    return uuid


def _not_ahead_id(uuid: UUID) -> UUID:
    if milliseconds_of(uuid) > time.time() * 1000 + AHEAD_MILLISECONDS:
        raise ValueError(f"should be of a moment up to an hour from now; {uuid} is not")
    return uuid


def recent_id(uuid: UUID) -> UUID:
    """The id; raises ValueError if it is not of a moment from 2020 to an hour from now."""
    _check_recent(milliseconds_of(uuid), uuid)
    return uuid


def _check_recent(milliseconds: float, value: object) -> None:
    if not FIRST_MILLISECONDS <= milliseconds <= time.time() * 1000 + AHEAD_MILLISECONDS:
        raise ValueError(f"should be of a moment from {FIRST:%Y-%m-%d} to an hour from now; {value} is not")


Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NO_NUL)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME, pattern=NAME)]
RowId = Annotated[int, Field(ge=1, le=2**31 - 1)]
RowIdInJson = Annotated[RowId, BeforeValidator(_number)]  # 1.0 is one too; true and "1" are none
RowIdInAddress = Annotated[RowId, BeforeValidator(_digits)]
Share = Annotated[float, Strict(), Field(ge=0, le=1)]
IsoDatetime = Annotated[AwareDatetime, BeforeValidator(iso)]
Instant = Annotated[IsoDatetime, AfterValidator(in_utc)]
Moment = Annotated[IsoDatetime, AfterValidator(_recent_moment)]
PastInstant = Annotated[Instant, AfterValidator(not_ahead)]
Uuid7 = Annotated[
    UUID, AfterValidator(_id), Field(description="UUID of version 7 (RFC 9562), made at the time of the prediction")
]
PastId = Annotated[Uuid7, AfterValidator(_not_ahead_id)]
Id = Annotated[Uuid7, AfterValidator(recent_id)]
