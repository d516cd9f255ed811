"""UUIDs of version 7 (RFC 9562): their first 48 bits are the Unix time in milliseconds, so that ids sort by time.

A window of time is therefore a range of ids: the primary key serves queries by time, and partitions rows by month.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
VERSION_AND_VARIANT, VERSION_7 = 0xF << 76 | 0x3 << 62, 7 << 76 | 2 << 62
MILLISECOND = timedelta(milliseconds=1)


def milliseconds_of(uuid: UUID) -> int:
    """The time in an id, in milliseconds since 1970."""
    return uuid.int >> 80


def milliseconds_at(time: datetime) -> int:
    """The milliseconds since 1970 of a time, as an id of that time has them."""
    return (time - EPOCH) // MILLISECOND


def is_version_7(uuid: UUID) -> bool:
    """Whether an id is a UUID of version 7 in the variant of RFC 9562."""
    return uuid.int & VERSION_AND_VARIANT == VERSION_7


def time_of(uuid: UUID) -> datetime:
    """The time in an id, in UTC, to the millisecond."""
    return EPOCH + milliseconds_of(uuid) * MILLISECOND


def first_at(time: datetime) -> UUID:
    """The smallest id of ``time`` or later; times before 1970 count as 1970."""
    milliseconds = -((EPOCH - time) // MILLISECOND)  # rounded up: an id of the millisecond before is earlier
    return UUID(int=max(0, milliseconds) << 80)
